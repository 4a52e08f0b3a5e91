//! The words that signs are told from. `*` at the end stands for any ending.

use memrl_types::TaskType::{self, Bugfix, Debug, Docs, Feature, Refactor, Research, Setup, Test};

/// Kinds of work, with the weight of each word.
#[rustfmt::skip]
pub(super) const TASKS: &[(TaskType, u32, &[&str])] = &[
    (
        Bugfix,
        3,
        &[
            "fix", "fixes", "fixed", "fixing", "bugfix", "hotfix", "repair", "исправ*", "почин*",
            "виправ*", "napraw*", "behebe", "beheben", "reparier*", "repariere", "corrige",
            "corriger", "corregir", "arregl*", "répare*",
        ],
    ),
    (
        Bugfix,
        2,
        &[
            "bug", "bugs", "broken", "crash", "crashes", "crashed", "crashing", "fails",
            "failing", "failed", "failure", "failures", "fail", "regression", "wrong", "error",
            "errors", "panic", "panics", "ошибк*", "баг", "баги", "слома*", "пада*", "помилк*",
            "fehler", "erreur", "błąd", "błędy",
        ],
    ),
    (
        Debug,
        3,
        &[
            "debug", "debugging", "investigate", "diagnose", "troubleshoot", "why", "почему",
            "разберись", "отлад*", "чому", "warum", "pourquoi", "dlaczego",
        ],
    ),
    (
        Refactor,
        3,
        &[
            "refactor*", "restructure", "simplify", "cleanup", "rename", "deduplicate",
            "рефактор*", "упрост*", "переимен*", "vereinfach*", "simplifie*",
        ],
    ),
    (
        Refactor,
        2,
        &[
            "clean", "extract", "reorganize", "reorganise", "modernize", "split", "move", "tidy",
        ],
    ),
    (
        Test,
        2,
        &[
            "test", "tests", "testing", "coverage", "unittest", "unittests", "spec", "specs",
            "pytest", "jest", "тест*", "покрыт*",
        ],
    ),
    (
        Docs,
        3,
        &[
            "document", "documentation", "readme", "docs", "docstring", "docstrings", "changelog",
            "документ*", "dokument*",
        ],
    ),
    (
        Docs,
        1,
        &["comment", "comments", "explain", "tutorial", "guide"],
    ),
    (
        Setup,
        2,
        &[
            "install", "setup", "configure", "configuration", "config", "upgrade", "deploy",
            "provision", "bootstrap", "dockerize", "ci", "dockerfile", "установ*", "настро*",
            "встанов*", "налашт*", "installier*", "installe*", "instal*",
        ],
    ),
    (
        Research,
        2,
        &[
            "research", "explore", "compare", "evaluate", "survey", "summarize", "summarise",
            "understand", "learn", "review", "analyze", "analyse", "исследу*", "сравни*",
            "изучи*", "проанализ*", "объясни*",
        ],
    ),
    (
        Feature,
        2,
        &[
            "implement", "implements", "feature", "build", "support", "реализ*", "implementier*",
            "implémente*", "zaimplement*", "implementa*",
        ],
    ),
    (
        Feature,
        1,
        &[
            "add", "create", "make", "introduce", "new", "allow", "enable", "write", "добав*",
            "созда*", "сделай", "напиши", "дода*", "створ*", "hinzufüg*", "erstelle*", "ajoute*",
            "crée*", "añad*", "agreg*", "crea", "dodaj", "adicion*",
        ],
    ),
];

/// The same for languages without spaces.
#[rustfmt::skip]
pub(super) const TASKS_JOINED: &[(TaskType, u32, &[&str])] = &[
    (
        Bugfix,
        3,
        &["修复", "修正", "修理", "直して", "고쳐", "수정"],
    ),
    (
        Bugfix,
        2,
        &[
            "错误", "報錯", "报错", "バグ", "エラー", "버그", "오류", "失败", "失敗",
        ],
    ),
    (
        Debug,
        3,
        &[
            "为什么", "為什麼", "调试", "なぜ", "デバッグ", "왜", "디버그",
        ],
    ),
    (
        Refactor,
        3,
        &["重构", "重構", "リファクタ", "리팩터", "리팩토링"],
    ),
    (Test, 2, &["测试", "測試", "テスト", "테스트"]),
    (Docs, 3, &["文档", "文檔", "ドキュメント", "문서"]),
    (
        Setup,
        2,
        &[
            "安装", "安裝", "配置", "設定", "インストール", "설치", "설정",
        ],
    ),
    (
        Research,
        2,
        &[
            "研究", "调查", "調査", "分析", "比较", "比較", "조사", "분석",
        ],
    ),
    (Feature, 2, &["实现", "實現", "実装", "구현"]),
    (
        Feature,
        1,
        &["添加", "新增", "追加", "创建", "作成", "추가"],
    ),
];

/// Tags and the words that stand for them.
#[rustfmt::skip]
pub(super) const TAGS: &[(&str, &[&str])] = &[
    (
        "api",
        &[
            "api", "apis", "endpoint", "endpoints", "rest", "graphql", "grpc", "openapi",
            "webhook", "webhooks",
        ],
    ),
    (
        "auth",
        &[
            "auth", "authentication", "authorization", "authorisation", "login", "logout",
            "signin", "signup", "oauth", "oidc", "sso", "jwt", "password", "passwords", "логин*",
            "авториз*", "аутентифик*", "парол*",
        ],
    ),
    (
        "build",
        &[
            "compile", "compiler", "compilation", "linker", "bundler", "webpack", "vite",
            "makefile", "cmake", "сборк*", "компил*",
        ],
    ),
    (
        "cache",
        &["cache", "caches", "cached", "caching", "кэш*", "кеш*"],
    ),
    (
        "ci",
        &[
            "ci", "pipeline", "pipelines", "workflow", "workflows", "actions",
        ],
    ),
    ("cli", &["cli", "argv", "subcommand", "subcommands"]),
    (
        "concurrency",
        &[
            "concurrency", "concurrent", "deadlock", "deadlocks", "mutex", "thread", "threads",
            "async", "await", "race", "parallel", "поток*", "гонк*",
        ],
    ),
    (
        "config",
        &[
            "config", "configuration", "settings", "env", "yaml", "toml", "настройк*", "конфиг*",
        ],
    ),
    (
        "database",
        &[
            "database", "databases", "db", "sql", "sqlite", "postgres", "postgresql", "mysql",
            "mongodb", "redis", "migration", "migrations", "schema", "orm", "баз*", "миграц*",
        ],
    ),
    (
        "dependencies",
        &[
            "dependency", "dependencies", "lockfile", "crates", "зависимост*",
        ],
    ),
    (
        "deployment",
        &[
            "deploy", "deployment", "deployments", "kubernetes", "k8s", "terraform", "helm",
            "ansible", "депло*",
        ],
    ),
    (
        "docker",
        &["docker", "dockerfile", "container", "containers", "podman"],
    ),
    (
        "docs",
        &[
            "docs", "documentation", "readme", "changelog", "docstring", "docstrings",
            "документац*",
        ],
    ),
    (
        "encoding",
        &[
            "unicode", "utf", "encoding", "charset", "emoji", "кодировк*",
        ],
    ),
    ("git", &["git", "rebase", "merge", "branch", "branches"]),
    (
        "logging",
        &["logging", "logger", "tracing", "telemetry", "metrics"],
    ),
    (
        "memory",
        &["leak", "leaks", "oom", "heap", "allocation", "allocations"],
    ),
    (
        "network",
        &[
            "network", "http", "https", "tcp", "socket", "sockets", "websocket", "websockets",
            "dns", "tls", "proxy", "timeout", "timeouts",
        ],
    ),
    (
        "parsing",
        &[
            "parser", "parsers", "parse", "parsing", "tokenizer", "lexer", "grammar", "regex",
            "json", "xml", "csv", "парс*",
        ],
    ),
    (
        "performance",
        &[
            "performance", "slow", "slower", "latency", "speed", "throughput", "benchmark",
            "benchmarks", "optimize", "optimise", "profiling", "faster", "медлен*",
            "производительн*", "ускор*",
        ],
    ),
    (
        "search",
        &["search", "index", "indexing", "ranking", "поиск*"],
    ),
    (
        "security",
        &[
            "security", "vulnerability", "vulnerabilities", "cve", "xss", "csrf", "injection",
            "secret", "secrets", "encryption", "безопасн*", "уязвим*",
        ],
    ),
    (
        "testing",
        &[
            "test", "tests", "testing", "coverage", "fixture", "fixtures", "mock", "mocks",
            "flaky", "тест*",
        ],
    ),
    (
        "types",
        &[
            "typing", "typecheck", "mypy", "generics", "lifetime", "lifetimes", "borrow",
        ],
    ),
    (
        "ui",
        &[
            "ui", "ux", "frontend", "css", "button", "buttons", "layout", "modal", "component",
            "components", "responsive", "интерфейс*", "кнопк*",
        ],
    ),
];

/// The same for languages without spaces.
#[rustfmt::skip]
pub(super) const TAGS_JOINED: &[(&str, &[&str])] = &[
    ("api", &["接口"]),
    (
        "auth",
        &["登录", "登入", "ログイン", "認証", "认证", "로그인", "인증"],
    ),
    ("cache", &["缓存", "キャッシュ", "캐시"]),
    ("database", &["数据库", "データベース", "데이터베이스"]),
    ("performance", &["性能", "パフォーマンス", "성능"]),
    ("security", &["安全", "セキュリティ", "보안"]),
    ("testing", &["测试", "テスト", "테스트"]),
    ("ui", &["界面", "按钮", "ボタン", "画面", "버튼"]),
];

/// Languages by the endings of files.
#[rustfmt::skip]
pub(super) const EXTENSIONS: &[(&str, &[&str])] = &[
    ("rust", &["rs"]),
    ("python", &["py", "pyi", "ipynb"]),
    ("typescript", &["ts", "tsx", "mts", "cts"]),
    ("javascript", &["js", "jsx", "mjs", "cjs"]),
    ("go", &["go"]),
    ("java", &["java"]),
    ("kotlin", &["kt", "kts"]),
    ("swift", &["swift"]),
    ("c", &["c", "h"]),
    ("cpp", &["cpp", "cc", "cxx", "hpp", "hh"]),
    ("csharp", &["cs"]),
    ("ruby", &["rb"]),
    ("php", &["php"]),
    ("elixir", &["ex", "exs"]),
    ("shell", &["sh", "bash", "zsh"]),
    ("sql", &["sql"]),
    ("css", &["css", "scss", "less"]),
    ("html", &["html", "htm"]),
    ("vue", &["vue"]),
    ("svelte", &["svelte"]),
    ("terraform", &["tf"]),
];

/// Tags by names of files and folders, in small letters.
#[rustfmt::skip]
pub(super) const NAMES: &[(&str, &[&str])] = &[
    (
        "ci",
        &["workflows", ".gitlab-ci.yml", "jenkinsfile", ".circleci"],
    ),
    ("database", &["migrations"]),
    (
        "dependencies",
        &[
            "cargo.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "poetry.lock",
            "go.sum",
        ],
    ),
    (
        "docker",
        &["dockerfile", "docker-compose.yml", "compose.yaml"],
    ),
    ("docs", &["docs", "readme.md", "changelog.md"]),
    ("testing", &["tests", "test", "__tests__", "spec"]),
];
