//! The table of what is cut.
//!
//! Examples are written for the tests that walk the table: `⟦…⟧` marks what must be cut, and a
//! `~` is dropped, so that no scanner of repositories takes this file for a leak.

use std::ops::Range;

use super::{address, assign, header, pem};

/// One kind of secret.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it is.
    pub name: &'static str,
    /// How it is found.
    pub how: How,
    /// Texts with what must be cut in `⟦…⟧`.
    pub cuts: &'static [&'static str],
    /// Texts that must stay as they are.
    pub stays: &'static [&'static str],
}

/// How a rule finds its secrets.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// By shape: a regular expression over ASCII. The whole match is cut, or only its group if it
    /// has one.
    Shape(&'static str),
    /// By place: adds what is to be cut.
    Scan(fn(&str, &mut Vec<Range<usize>>)),
}

const fn shape(
    name: &'static str,
    pattern: &'static str,
    cuts: &'static [&'static str],
    stays: &'static [&'static str],
) -> Rule {
    Rule {
        name,
        how: How::Shape(pattern),
        cuts,
        stays,
    }
}

const fn place(
    name: &'static str,
    scan: fn(&str, &mut Vec<Range<usize>>),
    cuts: &'static [&'static str],
    stays: &'static [&'static str],
) -> Rule {
    Rule {
        name,
        how: How::Scan(scan),
        cuts,
        stays,
    }
}

/// Every rule. Names of makers are theirs; shapes follow what they publish for secret scanning.
pub static RULES: &[Rule] = &[
    place(
        "private key block",
        pem::scan,
        &[
            "a\n⟦-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3\nxfn/ygWyF8=\n-----END RSA PRIVATE KEY-----⟧\nb",
            "{\"private_key\": \"⟦-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBg\\n-----END PRIVATE KEY-----\\n⟧\"}",
            "cut off: ⟦-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\nQyNTUxOQ⟧\n\nThen it said no.",
            "⟦-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\nlQOYBF1abcdEFGH0123\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----⟧",
            "+⟦-----BEGIN EC PRIVATE KEY-----\n+MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY/PuoAoGCCqGSM49\n+AwEHoUQ⟧",
        ],
        &[
            "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
            "if line.starts_with(\"-----BEGIN RSA PRIVATE KEY-----\") { found = true; }",
            "const A: &str = \"-----BEGIN PRIVATE KEY-----\";\nconst B: &str = \"-----END PRIVATE KEY-----\";",
            "-----BEGIN PRIVATE KEY-----\\nXXXX\\n-----END PRIVATE KEY-----",
            "-----BEGIN CERTIFICATE-----\nMIIDXTCCAkWgAwIBAgIJ\n-----END CERTIFICATE-----",
        ],
    ),
    place(
        "value of a secret's name",
        assign::scan,
        &[
            "password=⟦hunter2⟧",
            "DB_PASSWORD=⟦p@ss;w0rd&x⟧\nDEBUG=1",
            "export SECRET_KEY=\"⟦correct horse battery⟧\" # note",
            "api_key: ⟦abc123def⟧",
            "  password: ⟦s3cr,et!⟧",
            "{\"password\": \"⟦hunter \\\" two⟧\", \"user\": \"me\"}",
            "{\\\"clientSecret\\\":\\\"⟦abc/def⟧\\\",\\\"x\\\":1}",
            "tool --password ⟦hunter2⟧ --verbose",
            "tool --api-key=⟦0123abcd0123⟧ file",
            "[\"--token\", \"⟦abc123xyz⟧\"]",
            "'password' => '⟦letmein⟧',",
            "const API_KEY: &str = \"⟦abcdef⟧\";",
            "os.environ[\"API_TOKEN\"] = \"⟦abc123xyz⟧\"",
            "aws_secret_access_key = ⟦wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY⟧",
            "AccountName=me;AccountKey=⟦Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==⟧;EndpointSuffix=x",
            "Server=db;Uid=sa;Pwd=⟦Secr3t⟧;",
            "//registry.example.org/:_authToken=⟦0f3c2b1a-1111-4222-8333-444455556666⟧",
            "https://host/a?access_token=⟦abc123xyz⟧&page=2",
            "{\"name\": \"DB_PASSWORD\", \"value\": \"⟦hunter2⟧\"}",
            "- name: API_KEY\n  value: ⟦abc123xyz⟧",
            "<password>⟦hunter2⟧</password>",
            "пароль: ⟦котик99⟧, спасибо",
            "mnemonic = \"⟦legal winner thank year wave⟧\"",
            "x-api-key: ⟦abc123def456⟧",
            "{\"auth\": \"⟦dXNlcjpwYXNzd29yZA==⟧\"}",
            "password=⟦12345678⟧",
            "ENV DB_PASS ⟦hunter2⟧",
            "ARG TOKEN=⟦abc⟧",
            "https://host/c?sv=2020&sig=⟦abcDEF%2Bghi123456789012345678901234567890%3D⟧",
            "aws configure set aws_secret_access_key ⟦wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY⟧",
            "the password is ⟦hunter2⟧.",
            "Secret Access Key: ⟦wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY⟧",
            "my api key is ⟦abc123def456ghi⟧",
            "secret_key_base: ⟦0123456789abcdef0123456789abcdef⟧",
        ],
        &[
            "password = os.environ[\"DB_PASSWORD\"]",
            "API_KEY=$TOKEN",
            "token: ${{ secrets.GITHUB_TOKEN }}",
            "api_key: <your key>",
            "api_key=xxxxxxxx",
            "PASSWORD=\"your-password-here\"",
            "token_count: 5",
            "max_tokens: 4096",
            "fn login(user: &str, password: &str) -> Token {",
            "password: String,",
            "let token = parser.next_token();",
            "def f(password=None, token=self.token):",
            "const token = await getToken(user);",
            "secret: process.env.SECRET,",
            "input(\"Password: \", default=\"x\")",
            "error: expected token: `)`",
            "PWD=/home/me/project",
            "the --password flag is required",
            "secretName: my-tls-cert",
            "next_token = \"abc123def456\"",
            "primary_key: user_id_2",
            "cache-key: 5d41402abc4b2a76b9719d911017c592",
            "password: ********",
            "password_hash: sha256",
            "PASS: test_one",
            "{\"type\": \"password\"}",
            "token: 5",
            "api_key = None",
            "password: [redacted]",
            "[\"password\", \"username\"]",
            "pub const EXPR_TOKEN: TOKEN = 1i32;",
            "const A_TOKEN: _ty_5 = _ty_5::A_TOKEN;",
            "pub log_passwd: __u32,",
            "CHALLENGE_PASSWORD: \"challengePassword\",",
            "let secret_key: SecretKey25<'_> = key;",
            "token = 1*tchar",
            "{\"progressToken\": \"progress-1\"}",
            "the password is 8 characters or more",
            "a secret key is_valid2 and token_type2",
        ],
    ),
    place(
        "credentials in a header",
        header::scan,
        &[
            "Authorization: Bearer ⟦abc.def-123⟧",
            "curl -H 'Authorization: Basic ⟦dXNlcjpwdw==⟧' https://host",
            "{\"authorization\": \"token ⟦abcdef⟧\"}",
            "Cookie: ⟦sid=abc123; theme=dark⟧\nAccept: */*",
            "set-cookie: ⟦sid=abc; Path=/; HttpOnly⟧",
            "sent Bearer ⟦abcDEF0123456789abc⟧ along",
        ],
        &[
            "Authorization: Bearer $TOKEN",
            "Authorization: Bearer <token>",
            "Cookie: what a browser keeps",
            "the bearer of authentication-information knows",
            "headers = {'Authorization': f'Bearer {token}'}",
            "request.add_header(\"Authorization\", auth)",
            "authorization = self.headers.get(\"authorization\")",
            "AUTHORIZATION, CACHE_CONTROL",
            "map(Authorization::into_raw)",
        ],
    ),
    place(
        "credentials in an address",
        address::scan,
        &[
            "postgres://user:⟦p%40ss⟧@host:5432/db",
            "redis://:⟦secret⟧@localhost",
            "amqp://u:⟦p/w@x⟧@host/v",
            "https://me:⟦hunter2⟧@example.org/x?y=1",
            "https://⟦a81f2e0c9b7d4f6581e2a7c3d4b5e6f7⟧@errors.example.org/1",
        ],
        &[
            "ssh://git@example.org/repo.git",
            "postgres://user:${PW}@host/db",
            "postgres://user:<password>@host/db",
            "http://localhost:8080/a@b",
            "https://example.org/@me/page",
        ],
    ),
    shape(
        "AWS access key",
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?:[ \t,;:|]{1,4}[A-Za-z0-9/+]{40})?\b",
        &[
            "id ⟦AKIA~IOSFODNN7EXAMPLE⟧.",
            "⟦AKIA~IOSFODNN7EXAMPLE,wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY⟧",
        ],
        &["AKIAlowercase", "MAKIAVELLI"],
    ),
    shape(
        "GitHub token",
        r"\b(?:gh[pousr]_\w{36,}|github_pat_\w{22,})",
        &[
            "⟦ghp~_0123456789abcdefABCDEF0123456789abcd⟧",
            "⟦github~_pat_11ABCDEFG0abcdefghijkl_mnopq⟧",
        ],
        &["ghp_short", "github_pattern"],
    ),
    shape(
        "GitLab token",
        r"\bgl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|oas|soat|ffct)-[\w.-]{20,}",
        &["⟦glpat~-abcDEF0123456789xyz_⟧"],
        &["glpat-short"],
    ),
    shape(
        "Slack token",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-[0-9]-[A-Za-z0-9-]{10,}",
        &["⟦xoxb~-1234567890-abcdefGHIJ⟧"],
        &["xoxo-hugs"],
    ),
    shape(
        "Slack or Discord webhook",
        r"\bhooks\.slack\.com/(?:services|workflows|triggers)/([\w+/]{20,})|\bdiscord(?:app)?\.com/api/webhooks/([0-9]+/[\w-]{20,})",
        &["https://hooks.slack.com/services/⟦T00000000/B00000000/abcdefABCDEF012345678901⟧"],
        &["https://hooks.slack.com/services/"],
    ),
    shape(
        "Stripe key",
        r"\b[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=]{16,}",
        &[
            "⟦sk~_live_abcdefGHIJ0123456789⟧",
            "⟦whsec~_abcdefGHIJ0123456789⟧",
        ],
        &["task_live_updates", "pk_test_public"],
    ),
    shape(
        "Anthropic or OpenAI key",
        r"\bsk-(?:ant|proj|svcacct|admin|None|or-v1|lf)-[\w-]{16,}|\bsk-[A-Za-z0-9]{32,}",
        &[
            "⟦sk~-ant-api03-abcdef_GHIJ-0123456789⟧",
            "⟦sk~-proj-abcdef_GHIJ0123456789⟧",
            "⟦sk~-abcdefghijklmnopqrstuvwxyz012345⟧",
        ],
        &["sk-learn-is-a-library-for-machine-learning"],
    ),
    shape(
        "Google key",
        r"\bAIza[\w-]{35}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}|\b1//0[\w-]{40,}",
        &[
            "⟦AIza~SyA0123456789abcdefghijklmnopqrstuv⟧",
            "⟦ya29~.a0AfH6SMBabcdefghijklmno⟧",
        ],
        &["AIzawl"],
    ),
    shape(
        "package registry token",
        r"\bnpm_[A-Za-z0-9]{36,}|\bpypi-[\w-]{50,}|\brubygems_[a-f0-9]{48}\b|\bcio[A-Za-z0-9]{32}\b|\bdckr_(?:pat|oat)_[\w-]{20,}",
        &[
            "⟦npm~_0123456789abcdefABCDEF0123456789abcd⟧",
            "⟦pypi~-AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAw⟧",
        ],
        &["npm_config_registry", "pypi-server"],
    ),
    shape(
        "Hugging Face token",
        r"\bhf_[A-Za-z0-9]{30,}|\bapi_org_[A-Za-z0-9]{30,}",
        &["⟦hf~_abcdefghijklmnopqrstuvwxyzABCDEFGH⟧"],
        &["hf_hub_download"],
    ),
    shape(
        "Twilio key",
        r"\bSK[a-f0-9]{32}\b",
        &["⟦SK~0123456789abcdef0123456789abcdef⟧"],
        &["AC0123456789abcdef0123456789abcdef"],
    ),
    shape(
        "mail service key",
        r"\bSG\.[\w-]{16,}\.[\w-]{16,}|\bkey-[a-f0-9]{32}\b|\b[a-f0-9]{32}-us[0-9]{1,2}\b|\bxkeysib-[a-f0-9]{64}-\w{16}",
        &[
            "⟦SG~.abcdefGHIJ0123456789xy.abcdefGHIJ0123456789abcdefGHIJ0123456789xyz⟧",
            "⟦key~-0123456789abcdef0123456789abcdef⟧",
        ],
        &["SG.short.one", "key-value"],
    ),
    shape(
        "JSON web token",
        r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]+)?|\beyJ[\w-]{8,}(?:\.[\w-]*){4}",
        &[
            "⟦eyJ~hbGciOiJIUzI1NiJ9.eyJ~zdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0⟧",
            "⟦eyJ~hbGciOiJIUzI1NiJ9.eyJ~zdWIiOiIxMjM0In0⟧",
        ],
        &[
            "eyJhbGciOiJIUzI1NiJ9",
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        ],
    ),
    shape(
        "cloud token",
        r"\bdo[opr]_v1_[a-f0-9]{64}\b|\bdapi[a-f0-9]{32}\b|\bhv[sbr]\.[\w-]{20,}|\bATATT3[\w=-]{50,}|\bdp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{30,}|\btskey-[a-z]+-[\w-]{16,}|\bsbp_[a-f0-9]{40}\b|\bnfp_[A-Za-z0-9]{30,}|\bpul-[a-f0-9]{40}\b|\bpscale_(?:tkn|pw|oauth)_[\w.=-]{20,}|\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{50,}|\bfm[12]_[A-Za-z0-9+/=]{40,}",
        &[
            "⟦dapi~0123456789abcdef0123456789abcdef⟧",
            "⟦hvs~.CAESIabcdefghij0123456789⟧",
        ],
        &["dapi0123", "hvs.length"],
    ),
    shape(
        "service token",
        r"\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}\b|\bsq0[a-z]{3}-[\w-]{22,}|\blin_api_[A-Za-z0-9]{30,}|\bntn_[A-Za-z0-9]{40,}|\bsecret_[A-Za-z0-9]{43}\b|\bgsk_[A-Za-z0-9]{40,}|\bpplx-[A-Za-z0-9]{40,}|\br8_[A-Za-z0-9]{37,}|\bxai-[A-Za-z0-9]{60,}|\bsntry[su]_[\w+/=]{30,}|\bgl(?:sa|c)_[\w+/=]{30,}|\bNRAK-[A-Z0-9]{27}\b|\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b|\bfigd_[\w-]{30,}|\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b|\blsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}\b|\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b|\btvly-[\w-]{20,}",
        &[
            "⟦shpat~_0123456789abcdef0123456789ABCDEF⟧",
            "⟦gsk~_abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789⟧",
        ],
        &["gsk_group", "secret_santa"],
    ),
    shape(
        "bot token",
        r"\b[0-9]{8,10}:AA[\w-]{33}|\b[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.[\w-]{27,}",
        &["⟦123456789:AA~abcdefghijklmnopqrstuvwxyz0123456⟧"],
        &["123456789:AAA"],
    ),
    shape(
        "hashed password",
        r"\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}|\$argon2(?:id|i|d)\$[\w$=,+/.-]{30,}|\$[56y]\$[\w$=./]{20,}",
        &["root:⟦$2b$~12$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ01234⟧:1"],
        &["$2b$10", "$5 and $6"],
    ),
    shape(
        "password on a command line",
        r#"\bcurl\b[ -~]{0,200}?\s(?:-u|--user)[ =]?['"]?[\w.@-]{1,64}:([^\s'"$<{@,:][^\s'"]*)|\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[ -~]{0,120}?\s-p['"]?([^\s'"$-][^\s'"]+)|\bsshpass\s+-p\s*['"]?([^\s'"$<][^\s'"]*)|\b(?:docker|podman|helm|nerdctl|skopeo|az|oc)\b[ -~]{0,40}?\blogin\b[ -~]{0,120}?\s-p[ =]?['"]?([^\s'"$<-][^\s'"]*)|\bredis-cli\b[ -~]{0,120}?\s-a\s+['"]?([^\s'"$<-][^\s'"]*)|\blogin\s+[\w.@-]+\s+password\s+([^\s$<"'][^\s"']*)"#,
        &[
            "curl -s -u me:⟦hunter2⟧ https://host",
            "mysql -u root -p⟦hunter2⟧ shop",
            "sshpass -p ⟦hunter2⟧ ssh me@host",
            "machine host login me password ⟦hunter2⟧",
            "docker login -u me -p ⟦hunter2⟧ registry.example.org",
            "redis-cli -h host -a ⟦hunter2⟧ ping",
        ],
        &[
            "docker run -u 1000:1000 image",
            "curl -u me:$PW https://host",
            "mysql -u root -p shop",
        ],
    ),
];
