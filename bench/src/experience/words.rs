//! The words of the simulated tasks. `{c}` in a phrase is the component's name.

/// A component: the names that people give it, and its directory.
pub(super) struct Component {
    pub(super) names: [&'static str; 3],
    pub(super) path: &'static str,
}

/// A symptom: how people ask for help with it, and what may help.
pub(super) struct Symptom {
    pub(super) phrases: [&'static str; 4],
    pub(super) file: &'static str,
    /// Each remedy in two wordings.
    pub(super) remedies: [[&'static str; 2]; 6],
}

const fn component(names: [&'static str; 3], path: &'static str) -> Component {
    Component { names, path }
}

pub(super) const COMPONENTS: [Component; 12] = [
    component(["login", "sign-in", "user authentication"], "src/auth"),
    component(["checkout", "payment page", "order form"], "src/checkout"),
    component(["search", "product search", "search box"], "src/search"),
    component(["export", "CSV export", "data download"], "src/export"),
    component(["invoice", "billing", "invoice page"], "src/billing"),
    component(["notification", "email alert", "mailer"], "src/notify"),
    component(["upload", "file upload", "image upload"], "src/upload"),
    component(
        ["profile", "account settings", "user profile"],
        "src/profile",
    ),
    component(["report", "dashboard", "monthly report"], "src/report"),
    component(["scheduler", "cron job", "background job"], "src/jobs"),
    component(["chat", "message thread", "support chat"], "src/chat"),
    component(
        ["calendar", "booking calendar", "appointments"],
        "src/calendar",
    ),
];

pub(super) const SYMPTOMS: [Symptom; 8] = [
    Symptom {
        phrases: [
            "The {c} test is flaky on CI, please make it stable",
            "Tests of the {c} fail at random in the pipeline, fix them",
            "Intermittent failure of the {c} spec: passes locally, fails every fifth run",
            "Find out why the {c} test only passes sometimes",
        ],
        file: "tests.ts",
        remedies: [
            [
                "froze the clock in the fixture",
                "a fake timer instead of the real time",
            ],
            [
                "waited for the selector instead of sleeping",
                "an explicit wait replaced the sleep",
            ],
            [
                "gave every test a database of its own",
                "isolated the database per worker",
            ],
            [
                "sorted the rows before comparing them",
                "the assertion no longer depends on row order",
            ],
            [
                "mocked the remote call",
                "a stub server answers instead of the network",
            ],
            [
                "seeded the random generator",
                "a fixed random seed in the factory",
            ],
        ],
    },
    Symptom {
        phrases: [
            "The {c} is slow, it takes several seconds to load",
            "Speed up the {c}, users complain about the wait",
            "Response time of the {c} went from 200 ms to 4 s, investigate",
            "Performance problem in the {c}: make it fast again",
        ],
        file: "query.ts",
        remedies: [
            [
                "added an index on the foreign key",
                "a database index on the joined column",
            ],
            [
                "loaded the relations in one query",
                "removed the query per row by eager loading",
            ],
            [
                "cached the result for a minute",
                "a short cache in front of the computation",
            ],
            [
                "moved the work to a background queue",
                "a worker does it after the response",
            ],
            [
                "paged the result",
                "limit and cursor instead of everything at once",
            ],
            [
                "turned the compression off for small bodies",
                "no gzip below one kilobyte",
            ],
        ],
    },
    Symptom {
        phrases: [
            "The {c} shows a wrong total, the sum is off by a few cents",
            "Wrong amount in the {c}, numbers do not add up",
            "Fix the sum that the {c} computes, it differs from the ledger",
            "Customers report that figures of the {c} are incorrect",
        ],
        file: "total.ts",
        remedies: [
            [
                "rounded once at the end instead of per line",
                "moved the rounding behind the sum",
            ],
            [
                "used decimals instead of floats",
                "amounts are integers of cents now",
            ],
            [
                "counted the refund with its sign",
                "refunds are subtracted, not added",
            ],
            [
                "took the tax rate of the order's date",
                "the historic tax rate applies",
            ],
            [
                "removed the duplicate rows of the join",
                "a distinct in the join stops double counting",
            ],
            [
                "converted the currency before adding",
                "one currency first, then the sum",
            ],
        ],
    },
    Symptom {
        phrases: [
            "The {c} crashes with a null reference, see the stack trace",
            "Unhandled exception in the {c}, the process exits",
            "Fix the crash of the {c} when it is opened",
            "TypeError in the {c} brings the page down",
        ],
        file: "view.ts",
        remedies: [
            [
                "checked for the missing field",
                "a guard for the optional field",
            ],
            [
                "waited until the store was loaded",
                "rendering starts after initialisation",
            ],
            [
                "pinned the parser to the previous version",
                "downgraded the parsing library",
            ],
            [
                "handled the empty list",
                "the empty result has a branch of its own",
            ],
            [
                "migrated the old records",
                "a migration fills the column of old rows",
            ],
            [
                "caught the rejected promise",
                "the async error is awaited and caught",
            ],
        ],
    },
    Symptom {
        phrases: [
            "Memory of the {c} grows until the pod is killed",
            "There is a memory leak in the {c}, find it",
            "The {c} worker runs out of memory every night",
            "Heap usage of the {c} never goes down, fix the leak",
        ],
        file: "worker.ts",
        remedies: [
            [
                "removed the listener on unmount",
                "event handlers are unsubscribed",
            ],
            [
                "streamed the file instead of buffering it",
                "reads chunks rather than the whole body",
            ],
            [
                "bounded the cache",
                "an upper limit with eviction for the map",
            ],
            [
                "closed the cursor after use",
                "database cursors are released",
            ],
            [
                "recycled the worker after a thousand jobs",
                "workers restart from time to time",
            ],
            [
                "cleared the interval",
                "the timer is stopped when it is done",
            ],
        ],
    },
    Symptom {
        phrases: [
            "The build of the {c} package fails after the update",
            "Compilation of the {c} is broken on main, repair it",
            "CI cannot build the {c} module any more",
            "Fix the build error in the {c} after merging",
        ],
        file: "package.json",
        remedies: [
            [
                "regenerated the lock file",
                "a fresh lockfile resolves the conflict",
            ],
            [
                "cleared the build cache",
                "removed the stale cache directory",
            ],
            [
                "raised the compiler target",
                "a newer language target in the config",
            ],
            [
                "added the missing peer dependency",
                "declared the peer package",
            ],
            [
                "excluded the generated files",
                "generated sources are ignored now",
            ],
            [
                "fixed the path alias",
                "the import alias points at the new folder",
            ],
        ],
    },
    Symptom {
        phrases: [
            "Umlauts and emoji are garbled in the {c}",
            "The {c} shows question marks instead of special characters",
            "Encoding problem in the {c}: accents are broken",
            "Fix the character set of the {c}",
        ],
        file: "encode.ts",
        remedies: [
            [
                "set the connection to utf8mb4",
                "the database connection speaks full UTF-8",
            ],
            [
                "added the charset to the content type",
                "the header names the charset",
            ],
            ["wrote a byte order mark", "a BOM for spreadsheet programs"],
            [
                "normalised the text to NFC",
                "composed Unicode form before storing",
            ],
            ["decoded the body only once", "removed the second decoding"],
            [
                "cut by characters instead of bytes",
                "truncation respects character borders",
            ],
        ],
    },
    Symptom {
        phrases: [
            "Users get permission denied in the {c}",
            "The {c} answers 403 for people who should have access",
            "Access to the {c} is forbidden since the release, fix it",
            "Authorisation error when opening the {c}",
        ],
        file: "policy.ts",
        remedies: [
            [
                "added the role to the policy",
                "the missing role is in the access list",
            ],
            [
                "refreshed the token before the call",
                "an expired token is renewed first",
            ],
            [
                "passed the tenant header on",
                "the proxy forwards the tenant",
            ],
            [
                "invalidated the permission cache",
                "cached rights are dropped on change",
            ],
            [
                "allowed the new origin",
                "the cross-origin list has the new host",
            ],
            [
                "corrected the file owner",
                "files belong to the service account again",
            ],
        ],
    },
];
