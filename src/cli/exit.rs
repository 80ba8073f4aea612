//! How the process ends.

/// The exit codes of every subcommand: those of BSD's `sysexits.h`, so that a supervisor can tell
/// a mistake in the file, where a restart is useless, from trouble that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything asked for was done.
    Ok = 0,
    /// The command line is wrong.
    Usage = 64,
    /// A log or journal to recover from is damaged beyond use, or is none; parts of what was to be
    /// sent were rejected.
    Data = 65,
    /// The API cannot listen where it should, recovered pushes failed, or no daemon answers.
    Unavailable = 69,
    /// The pid file, a log file or the journal's directory cannot be created or written.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// Another instance holds a file that we need, or pushes were left and are not kept.
    TemporaryFailure = 75,
    /// The system does not let us listen there, or make that file; or a daemon asks for another API
    /// key.
    NoPermission = 77,
    /// The configuration, or a file that it names, cannot be used.
    Config = 78,
}

impl ExitCode {
    /// All of them, in numerical order, each with its meaning for the operator.
    pub const TABLE: [(Self, &'static str); 9] = [
        (Self::Ok, "done, nothing left behind"),
        (Self::Usage, "the command line is wrong"),
        (
            Self::Data,
            "`recover`: a log or the journal is damaged beyond use, or is none; \
             `send`: parts were rejected, or a file cannot be sent; \
             `check --migrate`: no TOML, or none of Gaurun's",
        ),
        (
            Self::Unavailable,
            "the API cannot listen: the port is taken, or the address is not ours; `recover`, `send`: pushes failed; `reload`, `stat`, `send`: no daemon answers",
        ),
        (
            Self::CannotCreate,
            "the pid file, a log file, the journal's directory, a page of `man` or the record of `send` cannot be created",
        ),
        (
            Self::Io,
            "reading or writing failed; the disk under the journal, if it served before",
        ),
        (
            Self::TemporaryFailure,
            "another instance runs; pushes were left at shutdown without a journal, or by `recover` or `send`; `reload`: the daemon is busy",
        ),
        (
            Self::NoPermission,
            "no permission to listen there, or to make the pid file, a log file or the journal's directory; `stat`, `send`: none by the API key",
        ),
        (
            Self::Config,
            "the configuration, or a file that it names, cannot be used; `reload --wait`: the old one stays in force",
        ),
    ];

    /// The number that the parent process sees.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}
