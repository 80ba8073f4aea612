//! `sterna serve`: the daemon.

use std::io::Write;
use std::path::Path;

use super::args::Serve;
use super::{ExitCode, complain, notice_standstills, report_as};
use crate::check;
use crate::config::Diagnostic;
use crate::config::{self, Config, Environment, FileText, Severity, Warning};
use crate::count;
use crate::daemon::{self, Daemon, Ended, Source, StartError, StartErrorKind};
use crate::log::operator::hear_panics;
use crate::log::{Destination, Shape};
use crate::moment::Moment;
use crate::supervisor::Inherited;

/// Reads the configuration and runs the daemon to its end.
pub(super) fn run(serve: &Serve) -> ExitCode {
    if serve.version {
        return print_version();
    }
    // While there is no other thread.
    let inherited = Inherited::from_environment();
    let path = serve.config.as_deref();
    let (name, text) = match config::read_text(path) {
        Ok(read) => read,
        Err(error) => {
            complain(&error.problems);
            return ExitCode::Config;
        }
    };
    match Config::parse(&name, &text, serve.overrides(), &Environment::read()) {
        Ok((config, warnings)) => match inherited {
            Ok(inherited) => {
                let text = FileText::read(&name, &text, Path::exists);
                start(serve, inherited, (&config, &text), &warnings)
            }
            Err(error) => {
                report_as(shape_of(&config), error);
                ExitCode::Unavailable
            }
        },
        Err(error) => {
            let (overrides, environment) = (serve.overrides(), Environment::read());
            // Its logs are not opened, but who reads where they go is the same.
            let examined = Config::examine(&name, &text, overrides, &environment);
            let shape = examined.config.as_ref().map_or(Shape::Text, shape_of);
            complain_as(shape, &error.problems);
            ExitCode::Config
        }
    }
}

/// How is told on standard error what the operator log cannot say.
fn shape_of(config: &Config) -> Shape {
    let log = &config.log;
    Shape::on_stderr(&[&log.access_log, &log.error_log].map(Destination::named))
}

/// Shows what is wrong with a configuration on standard error.
fn complain_as(shape: Shape, findings: &[Diagnostic]) {
    match shape {
        Shape::Text => complain(findings),
        Shape::Json => findings
            .iter()
            .for_each(|finding| report_as(shape, finding)),
    }
}

/// Three lines, the first of them the one that scripts read, as Gaurun's.
fn print_version() -> ExitCode {
    let text = concat!(
        "Sterna ",
        env!("CARGO_PKG_VERSION"),
        "\nLicense: ",
        env!("CARGO_PKG_LICENSE"),
        "\nCopyright 2026 The Sterna authors\n",
    );
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::Ok,
        Err(_) => ExitCode::Io,
    }
}

/// Runs the daemon.
fn start(
    serve: &Serve,
    inherited: Option<Inherited>,
    (config, text): (&Config, &FileText<'_>),
    warnings: &[Warning],
) -> ExitCode {
    if let Err(exit_code) = notice_standstills() {
        return exit_code;
    }
    hear_panics();
    let shape = shape_of(config);
    let ended = daemon::signals().and_then(|signals| {
        let daemon = Daemon::start_on(inherited, config, warnings, &signals)?;
        let source = Source {
            path: serve.config.clone(),
            overrides: serve.overrides(),
            environment: Environment::read(),
        };
        Ok(daemon.reading(source).run(&signals))
    });
    match ended {
        Ok(ended) => exit_code(shape, ended),
        Err(error) if error.kind == StartErrorKind::Config => {
            // Where in the file, and all of it at once.
            let mut findings = check::credentials(config, text, Moment::now());
            findings.retain(|it| it.severity == Severity::Error);
            if findings.is_empty() {
                return refused(shape, &error);
            }
            complain_as(shape, &findings);
            ExitCode::Config
        }
        Err(error) => refused(shape, &error),
    }
}

/// Says why the daemon did not start.
pub(super) fn refused(shape: Shape, error: &StartError) -> ExitCode {
    report_as(shape, error);
    match error.kind {
        StartErrorKind::Config => ExitCode::Config,
        StartErrorKind::NoPermission => ExitCode::NoPermission,
        StartErrorKind::CannotCreate => ExitCode::CannotCreate,
        StartErrorKind::AlreadyRunning => ExitCode::TemporaryFailure,
        StartErrorKind::CannotListen => ExitCode::Unavailable,
        StartErrorKind::System => ExitCode::Io,
        StartErrorKind::ToldToEnd => ExitCode::Ok,
    }
}

/// What the end of a daemon tells its parent.
pub(super) fn exit_code(shape: Shape, ended: Ended) -> ExitCode {
    if ended.unlogged > 0 {
        // The logs themselves are closed by now.
        report_as(
            shape,
            format_args!(
                "{} could not be written to the logs, and are lost",
                count::of(ended.unlogged, "line", "lines")
            ),
        );
    }
    if ended.journal_failed {
        ExitCode::Io
    } else if ended.left > 0 {
        ExitCode::TemporaryFailure
    } else if ended.unlogged > 0 {
        ExitCode::Io
    } else {
        ExitCode::Ok
    }
}
