//! Files of other kinds than are read: each is told, what is advised is done, and what comes of it
//! is accepted.

use std::fs;
use std::process::Command;

use crate::harness::each;
use crate::harness::site::{Site, run, sterna};

/// Runs a shell line in the site's directory; what it printed.
fn shell(site: &Site, line: &str) -> Vec<u8> {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .current_dir(site.path("x").parent().unwrap());
    let output = run(shell);
    assert!(output.status.success(), "{line}: {output:?}");
    output.stdout
}

/// What `sterna check` says of the site, and whether it can be used.
fn check(site: &Site) -> (bool, String) {
    let mut check = sterna();
    check.arg("check").arg("-c").arg(site.write_config());
    let output = run(check);
    (
        output.status.success(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// The command that is advised.
fn command(told: &str) -> Option<String> {
    let (_, rest) = told.split_once("with: ")?;
    let (command, _) = rest.split_once(" (and name that file instead)")?;
    Some(command.to_owned())
}

/// A site with one file of each kind that is right: certificate `cert.pem`, its key `key.pem`,
/// bundle `ca.pem`, `AuthKey.p8` and `service-account.json`.
fn site(by_certificate: bool) -> Site {
    let mut site = Site::unreachable().with_path("ios.ca_path", "ca.pem");
    if by_certificate {
        site = site.with_pem("cert.pem", "key.pem");
    }
    let new = "openssl req -x509 -newkey rsa:2048 -nodes -days 400 -subj /CN=x";
    shell(
        &site,
        &format!("{new} -keyout key.pem -out cert.pem 2>err; cp cert.pem ca.pem"),
    );
    site
}

/// What the file of the key is replaced by, as made of the right one by a shell line, what is said
/// of it, and whether there is a command for it.
fn check_kind(&(key, made_by, told, is_converted): &(&str, &str, &str, bool)) {
    let site = site(key.starts_with("ios.pem"));
    let (fine, said) = check(&site);
    assert!(fine, "{said}");
    let (right, made) = match key {
        P8 => ("AuthKey.p8", "FILE OUT.converted.p8"),
        CERT => ("cert.pem", "FILE OUT.converted.pem"),
        KEY => ("key.pem", "FILE OUT.converted.pem"),
        CA => ("ca.pem", "FILE OUT.converted.pem"),
        _ => ("service-account.json", "FILE OUT.converted.json"),
    };
    shell(
        &site,
        &made_by
            .replace("RIGHT", right)
            .replace("WRONG", "'FILE OUT.one'"),
    );
    let site = site.with_path(key, "FILE OUT.one");
    let (is_fine, said) = check(&site);
    assert!(!is_fine && said.contains(told), "{made_by}: {told}: {said}");
    assert!(
        said.contains(&format!("error: {key} = ")),
        "{made_by}: {said}"
    );
    let Some(command) = command(&said) else {
        assert!(!is_converted, "{made_by}: {said}");
        return;
    };
    assert!(is_converted, "{made_by}: {said}");
    shell(&site, &command);
    let site = site.with_path(key, made);
    let (is_fine, said) = check(&site);
    assert!(is_fine, "{made_by}: {command}: {said}");
}

const ACCOUNT: &str = "android.service_account_path";
const P8: &str = "ios.token_auth_key_path";
const CERT: &str = "ios.pem_cert_path";
const KEY: &str = "ios.pem_key_path";
const CA: &str = "ios.ca_path";

/// Of any text.
const TEXTS: [(&str, &str); 7] = [
    (
        "iconv -f UTF-8 -t UTF-16 RIGHT > WRONG",
        "is text in UTF-16",
    ),
    (
        "iconv -f UTF-8 -t UTF-16LE RIGHT > WRONG",
        "is text in UTF-16",
    ),
    (
        "iconv -f UTF-8 -t UTF-16BE RIGHT > WRONG",
        "is text in UTF-16",
    ),
    ("base64 RIGHT > WRONG", "is in base64"),
    ("base64 -w 0 RIGHT > WRONG", "is in base64"),
    (
        "(printf '\"'; cat RIGHT; printf '\"\\n') > WRONG",
        "between quotation marks",
    ),
    (
        "(printf \"'\"; cat RIGHT; printf \"'\") > WRONG",
        "between quotation marks",
    ),
];

/// Of PEM.
const PEM: [(&str, &str); 5] = [
    (
        r#"awk '{ printf "%s\\n", $0 }' RIGHT > WRONG"#,
        "line ends are \\n in letters",
    ),
    (
        r#"awk 'BEGIN { printf "\"" } { printf "%s\\n", $0 } END { print "\"" }' RIGHT > WRONG"#,
        "between quotation marks",
    ),
    ("tr -d '\\n' < RIGHT > WRONG", "not on a line of its own"),
    ("tr '\\n' ' ' < RIGHT > WRONG", "not on a line of its own"),
    ("sed 's/^/    /' RIGHT > WRONG", "not on a line of its own"),
];

/// Of one kind of file.
const FORMS: [(&str, &str, &str, bool); 13] = [
    (
        ACCOUNT,
        "jq -Rs . RIGHT > WRONG",
        "is JSON within a string",
        true,
    ),
    (
        P8,
        "openssl pkey -in RIGHT -outform DER -out WRONG",
        "is a private key in DER",
        true,
    ),
    (
        P8,
        "openssl ec -in RIGHT -out WRONG",
        "is in SEC1 form",
        true,
    ),
    (
        P8,
        "openssl ec -in RIGHT -outform DER -out WRONG",
        "is a private key in DER",
        true,
    ),
    (
        P8,
        "sed '/-----/d' RIGHT > WRONG",
        "is the base64 of a private key without",
        true,
    ),
    (
        CERT,
        "openssl x509 -in RIGHT -outform DER -out WRONG",
        "is a certificate in DER",
        true,
    ),
    (
        CERT,
        "sed '/-----/d' RIGHT > WRONG",
        "is the base64 of a certificate without",
        true,
    ),
    (
        CERT,
        "openssl x509 -in RIGHT -trustout -out WRONG",
        "TRUSTED CERTIFICATE",
        true,
    ),
    (
        CERT,
        "openssl crl2pkcs7 -nocrl -certfile RIGHT -out WRONG",
        "is PKCS#7",
        true,
    ),
    (
        CA,
        "openssl crl2pkcs7 -nocrl -certfile RIGHT -outform DER -out WRONG",
        "is PKCS#7 (.p7b) in DER",
        true,
    ),
    (
        CA,
        "openssl x509 -in RIGHT -outform DER -out WRONG",
        "is a certificate in DER",
        true,
    ),
    (
        KEY,
        "openssl pkey -in RIGHT -outform DER -out WRONG",
        "is a private key in DER",
        true,
    ),
    (
        KEY,
        "openssl rsa -in RIGHT -traditional -outform DER -out WRONG",
        "is a private key in DER",
        true,
    ),
];

#[test]
fn what_can_be_converted_is_by_the_command_that_is_advised() {
    let mut cases = Vec::new();
    for key in [P8, CERT, KEY, CA, ACCOUNT] {
        // A service account within double quotes would be no JSON at all.
        let is_text = |line: &str| match key {
            ACCOUNT => !line.contains("'\"'"),
            P8 => !line.contains("printf"),
            _ => true,
        };
        let texts = TEXTS.iter().filter(|(line, _)| is_text(line));
        cases.extend(texts.map(|(line, told)| (key, *line, *told, true)));
        // A signing key is read wherever its lines begin and end.
        let is_right = |line: &str| key == ACCOUNT || (key == P8 && !line.starts_with("awk"));
        let pem = PEM.iter().filter(|(line, _)| !is_right(line));
        cases.extend(pem.map(|(line, told)| (key, *line, *told, true)));
    }
    cases.extend(FORMS);
    each(&cases, check_kind);
}

#[test]
fn what_cannot_be_converted_is_told_with_where_to_get_another() {
    let cases = [
        (P8, ": > WRONG", "the file is empty", false),
        (CERT, "echo > WRONG", "the file is empty", false),
        (KEY, ": > WRONG", "the file is empty", false),
        (CA, ": > WRONG", "the file is empty", false),
        (ACCOUNT, ": > WRONG", "the file is empty", false),
        (
            P8,
            "openssl genpkey -algorithm RSA -out WRONG 2>err",
            "is an RSA key",
            false,
        ),
        (
            P8,
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out WRONG",
            "another curve than P-256",
            false,
        ),
        (P8, "head -c 100 RIGHT > WRONG", "breaks off", false),
        (
            P8,
            "cp cert.pem WRONG",
            "holds a certificate, not the .p8 file",
            false,
        ),
        (
            P8,
            "openssl pkey -in RIGHT -pubout -out WRONG",
            "holds a public key, not",
            false,
        ),
        (
            P8,
            "cp service-account.json WRONG",
            "belongs to android.service_account_path",
            false,
        ),
        (CERT, "head -c 200 RIGHT > WRONG", "breaks off", false),
        (
            CERT,
            "cp key.pem WRONG",
            "no PEM certificate (-----BEGIN CERTIFICATE-----) in it",
            false,
        ),
        (
            KEY,
            "cp cert.pem WRONG",
            "no PEM private key (-----BEGIN PRIVATE KEY-----) in it",
            false,
        ),
        (
            CERT,
            "openssl req -new -key key.pem -subj /CN=x -out WRONG",
            "a request for a certificate",
            false,
        ),
        (
            KEY,
            "(sed -n 1,5p RIGHT; echo '-----END PRIVATE KEY-----') > WRONG",
            "breaks off",
            false,
        ),
        (
            ACCOUNT,
            "head -c 700 RIGHT > WRONG",
            "breaks off in the middle of its JSON",
            false,
        ),
        (
            ACCOUNT,
            "cp AuthKey.p8 WRONG",
            "a service-account file is JSON",
            false,
        ),
        (
            ACCOUNT,
            r#"echo '{"project_info": {"project_id": "p"}, "client": [], "configuration_version": "1"}' > WRONG"#,
            "google-services.json: this is the app's file",
            false,
        ),
        (
            ACCOUNT,
            r#"echo '{"installed": {"client_id": "x"}}' > WRONG"#,
            "an OAuth client's",
            false,
        ),
        (
            ACCOUNT,
            "echo '<!DOCTYPE html><html>' > WRONG",
            "is a web page",
            false,
        ),
    ];
    each(&cases, check_kind);
}

/// No command is advised that would make something else than is wanted there.
#[test]
fn what_does_not_serve_is_not_converted() {
    let p12 = "openssl pkcs12 -export -in cert.pem -inkey key.pem -passout pass: -out WRONG";
    let certificate = "openssl x509 -in cert.pem -outform DER -out WRONG";
    let key = "openssl pkey -in key.pem -outform DER -out WRONG";
    let other = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384";
    let other = |how: &str| format!("{other} {how} WRONG");
    let [other_der, other_sec1, other_base64] = [
        "-outform DER -out",
        "| openssl ec -out",
        "-outform DER | base64 >",
    ]
    .map(other);
    let escaped = r#"awk '{ printf "%s\\n", $0 }' AuthKey.p8 > WRONG"#;
    let account = "in the place of a service-account file";
    let signing_key = "in the place of the .p8 file";
    let in_pem = "holds a private key in PEM, and a service-account file is JSON";
    let no_certificate = "it: the file holds a private key\n";
    let cases = [
        (ACCOUNT, p12, account),
        (ACCOUNT, certificate, account),
        (
            ACCOUNT,
            "(printf \"'\"; cat AuthKey.p8; printf \"'\") > WRONG",
            in_pem,
        ),
        (ACCOUNT, escaped, in_pem),
        (ACCOUNT, "tr '\\n' ' ' < AuthKey.p8 > WRONG", in_pem),
        (ACCOUNT, "base64 AuthKey.p8 > WRONG", in_pem),
        (ACCOUNT, "sed '/-----/d' AuthKey.p8 > WRONG", account),
        (P8, p12, signing_key),
        (P8, certificate, signing_key),
        (P8, key, "is an RSA key"),
        (
            P8,
            "openssl rsa -in key.pem -traditional -outform DER -out WRONG",
            "is an RSA key",
        ),
        (P8, &other_der, "of another curve than P-256"),
        (P8, &other_sec1, "of another curve than P-256"),
        (
            P8,
            &other_base64,
            "of another curve than P-256, the only one that APNs takes\n",
        ),
        (
            P8,
            "base64 service-account.json > WRONG",
            "belongs to android.service_account_path",
        ),
        (
            P8,
            "jq -Rs . service-account.json > WRONG",
            "belongs to android.service_account_path",
        ),
        (
            KEY,
            certificate,
            "is a certificate, in the place of a private key",
        ),
        (
            KEY,
            "sed '/-----/d' cert.pem > WRONG",
            "is a certificate, in the place of",
        ),
        (CERT, key, "is a private key, in the place of a certificate"),
        (
            CERT,
            "iconv -f UTF-8 -t UTF-16 key.pem > WRONG",
            no_certificate,
        ),
        (
            CERT,
            "openssl x509 -in RIGHT -outform DER | head -c 200 > WRONG",
            "breaks off",
        ),
        (CA, key, "is a private key, in the place of certificates"),
        (CA, "base64 key.pem > WRONG", no_certificate),
    ];
    let cases = cases.map(|(key, made_by, told)| (key, made_by, told, false));
    each(&cases, check_kind);
}

/// Modern, and as Keychain exports it; the key is not taken along where nobody needs it.
#[test]
fn a_certificate_in_pkcs_12_is_taken_out_by_one_of_two_commands() {
    let is_key_in = |site: &Site| {
        let made = fs::read_to_string(site.path("both.converted.pem")).unwrap();
        made.contains("PRIVATE KEY")
    };
    for (export, then, is_legacy) in [
        ("", "", false),
        (" -legacy -descert", "", true),
        ("", "base64 both.p12 > b; mv b both.p12", false),
        (
            " -legacy -descert",
            "base64 both.p12 > b; mv b both.p12",
            true,
        ),
    ] {
        let site = site(true);
        shell(
            &site,
            &format!(
                "openssl pkcs12 -export{export} -in cert.pem -inkey key.pem -passout pass: -out both.p12; {then}"
            ),
        );
        let site = site.with_path("ios.ca_path", "both.p12");
        let (_, said) = check(&site);
        let advised = command(&said).unwrap();
        if !is_legacy {
            shell(&site, &format!("{advised} -passin pass:"));
            assert!(!is_key_in(&site), "{advised}");
        }
        let site = site.with_path("ios.ca_path", "ca.pem");
        let site = site.with_path("ios.pem_cert_path", "both.p12");
        let (is_fine, said) = check(&site);
        assert!(!is_fine && said.contains("PKCS#12 (.p12)"), "{said}");
        let (_, legacy) = said.split_once("only with -legacy: ").unwrap();
        let command = if is_legacy {
            legacy.lines().next().unwrap().to_owned()
        } else {
            command(&said).unwrap()
        };
        shell(&site, &format!("{command} -passin pass:"));
        let site = site
            .with_path("ios.pem_cert_path", "both.converted.pem")
            .with_path("ios.pem_key_path", "both.converted.pem");
        let (is_fine, said) = check(&site);
        assert!(is_fine, "{said}");
    }
}

#[test]
fn an_encrypted_signing_key_is_decrypted_by_the_command_that_is_advised() {
    let site = site(false).with_path("ios.token_auth_key_path", "locked.p8");
    shell(
        &site,
        "openssl pkcs8 -topk8 -in AuthKey.p8 -passout pass:x -out locked.p8",
    );
    let (is_fine, said) = check(&site);
    assert!(!is_fine && said.contains("the key is encrypted"), "{said}");
    shell(
        &site,
        &format!("{} -passin pass:x", command(&said).unwrap()),
    );
    let site = site.with_path("ios.token_auth_key_path", "locked.converted.p8");
    let (is_fine, said) = check(&site);
    assert!(is_fine, "{said}");
}

#[test]
fn a_byte_order_mark_does_not_matter() {
    for by_certificate in [false, true] {
        let site = site(by_certificate);
        for file in [
            "AuthKey.p8",
            "cert.pem",
            "key.pem",
            "ca.pem",
            "service-account.json",
        ] {
            let marked = [b"\xef\xbb\xbf", &*fs::read(site.path(file)).unwrap()].concat();
            fs::write(site.path(file), marked).unwrap();
        }
        fs::write(
            site.path("keys"),
            format!("\u{feff}{}\n", "0123456789abcdef".repeat(4)),
        )
        .unwrap();
        let site = site.with_path("core.api_key_path", "keys");
        let (is_fine, said) = check(&site);
        assert!(is_fine, "{said}");
        shell(&site, "iconv -f UTF-8 -t UTF-16 keys > wide");
        let site = site.with_path("core.api_key_path", "wide");
        let (_, said) = check(&site);
        shell(&site, &command(&said).unwrap());
        let site = site.with_path("core.api_key_path", "wide.converted.txt");
        let (is_fine, said) = check(&site);
        assert!(is_fine, "{said}");
    }
}
