//! Running the server: bind, announce, serve, keep up, stop without losing anything.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use memrl::{Code, Config, Memory};

use crate::app::{App, router};
use crate::token;

pub use crate::token::TokenOrigin;

/// Time between two looks at whether there is upkeep to do.
const UPKEEP: Duration = Duration::from_secs(5);
/// Upkeep without any request of our own: another process may have written.
const IDLE_UPKEEP: u32 = 12;
/// Requests that the engine works on at the same time; more wait.
const WORKERS: usize = 64;

/// How a server is run.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Address to bind: an IP address or `localhost`. Any but loopback needs a token.
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// The token to ask for, usually the value of `MEMRL_TOKEN`. Without one, a server that other
    /// machines can reach takes it from the file `token` in the data directory, or makes it.
    pub token: Option<String>,
    /// Further names that `Host` and `Origin` may carry; `*` allows any.
    pub allowed_hosts: Vec<String>,
    /// Largest request body, in bytes.
    pub max_body_bytes: u64,
    /// Longest time for one request, in milliseconds.
    pub timeout_ms: u64,
}

impl ServeOptions {
    /// As the settings say, with a token from elsewhere.
    pub fn of(config: &Config, token: Option<String>) -> Self {
        let server = &config.server;
        Self {
            host: server.host.clone(),
            port: server.port,
            token,
            allowed_hosts: server.allowed_hosts.clone(),
            max_body_bytes: server.max_body_bytes,
            timeout_ms: server.timeout_ms,
        }
    }
}

/// What a server has to say once it listens.
#[derive(Debug, Clone)]
pub struct Banner {
    /// Where it can be reached, e.g. `http://127.0.0.1:7077`.
    pub url: String,
    /// The address it is bound to.
    pub address: SocketAddr,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where its token comes from.
    pub token: TokenOrigin,
    /// A command that asks the server something, token included. The token itself stands in it
    /// only when it was made just now.
    pub example: String,
}

/// Why a server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: String,
        /// The cause.
        source: std::io::Error,
    },
    /// There is no usable token.
    #[error("{0}")]
    Token(String),
    /// A setting cannot be used.
    #[error("{0}")]
    Config(String),
    /// The runtime failed.
    #[error("the server stopped: {0}")]
    Runtime(#[source] std::io::Error),
    /// The last upkeep failed. Everything acknowledged is in the write-ahead log.
    #[error("the last upkeep failed: {0}")]
    Maintain(#[source] memrl::Error),
}

impl ServeError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Bind { .. } | Self::Runtime(_) => Code::Io,
            Self::Token(_) | Self::Config(_) => Code::InvalidConfig,
            Self::Maintain(e) => e.code(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Bind { source, .. } => match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "another program listens there; choose another with --port, or --port 0"
                }
                std::io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need privileges; choose another with --port"
                }
                _ => "--host takes an address of this machine, e.g. 127.0.0.1 or 0.0.0.0",
            },
            Self::Token(_) => {
                "set MEMRL_TOKEN to 16 or more ASCII characters, or remove the file `token`"
            }
            _ => self.code().info().hint,
        }
    }
}

/// Serves until SIGTERM or SIGINT (Ctrl-C), then lets requests under way finish, and returns.
///
/// Blocks; owns its threads. `on_ready` runs once the server accepts connections.
pub fn serve(
    memory: Arc<Memory>,
    options: ServeOptions,
    on_ready: impl FnOnce(Banner),
) -> Result<(), ServeError> {
    run_server(memory, options, on_ready, signalled)
}

/// As [`serve`], until `stop` is done.
pub fn serve_until(
    memory: Arc<Memory>,
    options: ServeOptions,
    on_ready: impl FnOnce(Banner),
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    run_server(memory, options, on_ready, || Ok(stop))
}

/// `make_stop` runs before the server says that it is ready: whoever reads that may stop it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the server owns what it serves until it stops"
)]
fn run_server<S: Future<Output = ()> + Send + 'static>(
    memory: Arc<Memory>,
    options: ServeOptions,
    on_ready: impl FnOnce(Banner),
    make_stop: impl FnOnce() -> std::io::Result<S>,
) -> Result<(), ServeError> {
    if options.timeout_ms == 0 || options.max_body_bytes == 0 {
        return Err(ServeError::Config(
            "server.timeout_ms and server.max_body_bytes must be positive".into(),
        ));
    }
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 4);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(WORKERS)
        .thread_name("memrl-http")
        .enable_io()
        .enable_time()
        .build()
        .map_err(ServeError::Runtime)?;
    let loopback = crate::guard::is_loopback(&options.host);
    let (token, origin) = token::resolve(options.token.as_deref(), loopback, memory.dir())?;
    let grace = Duration::from_millis(options.timeout_ms) + Duration::from_secs(1);
    let app = Arc::new(App::new(Arc::clone(&memory), &options, token));
    let served = runtime.block_on(async {
        let bind = |source| ServeError::Bind {
            address: format!("{}:{}", options.host, options.port),
            source,
        };
        let host = options.host.trim_matches(['[', ']']);
        let listener = tokio::net::TcpListener::bind((host, options.port))
            .await
            .map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let stop = make_stop().map_err(ServeError::Runtime)?;
        on_ready(banner(&memory, address, origin));
        let upkeep = tokio::spawn(keep_up(Arc::clone(&app)));
        let done = run(listener, Arc::clone(&app), stop, grace).await;
        app.jobs.cancel_all();
        upkeep.abort();
        done
    });
    // Writes that were acknowledged are stored; what still runs belongs to requests that were
    // given up on.
    runtime.shutdown_timeout(Duration::from_secs(5));
    // A training that is stopped keeps its checkpoint; one that is about to be done gets the time.
    app.jobs.wait(Duration::from_secs(5));
    served?;
    memory.maintain().map_err(ServeError::Maintain)
}

/// Serves until told to stop; then no longer than `grace`.
async fn run(
    listener: tokio::net::TcpListener,
    app: Arc<App>,
    stop: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> Result<(), ServeError> {
    let (told, tell) = tokio::sync::oneshot::channel::<()>();
    let stopping = Arc::clone(&app);
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
        stop.await;
        stopping.jobs.cancel_all();
        let _ = told.send(());
    });
    let overdue = async {
        let _ = tell.await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        done = server => done.map_err(ServeError::Runtime),
        () = overdue => Ok(()),
    }
}

/// Upkeep in the background, after requests and now and then without any.
async fn keep_up(app: Arc<App>) {
    let mut seen = 0;
    let mut idle = 0;
    loop {
        tokio::time::sleep(UPKEEP).await;
        let answered = app.metrics.answered();
        idle += 1;
        if answered == seen && idle < IDLE_UPKEEP {
            continue;
        }
        (seen, idle) = (answered, 0);
        let memory = Arc::clone(&app.memory);
        let done = tokio::task::spawn_blocking(move || memory.maintain()).await;
        if let Ok(Err(error)) = done {
            app.metrics.maintenance_failures.fetch_add(1, Relaxed);
            eprintln!("memrl: upkeep failed: {error}");
        }
    }
}

fn banner(memory: &Memory, address: SocketAddr, token: TokenOrigin) -> Banner {
    // An address that means "all" is not one to connect to.
    let reachable = match address {
        SocketAddr::V4(a) if a.ip().is_unspecified() => format!("127.0.0.1:{}", a.port()),
        SocketAddr::V6(a) if a.ip().is_unspecified() => format!("[::1]:{}", a.port()),
        other => other.to_string(),
    };
    let url = format!("http://{reachable}");
    let secret = match &token {
        TokenOrigin::None => None,
        TokenOrigin::Given => Some("$MEMRL_TOKEN".to_owned()),
        TokenOrigin::File(path) => Some(format!("$(cat {})", path.display())),
        TokenOrigin::Made(_, token) => Some(token.clone()),
    };
    let example = match secret {
        None => format!("curl {url}/v1/stats"),
        Some(secret) => format!("curl -H \"Authorization: Bearer {secret}\" {url}/v1/stats"),
    };
    Banner {
        url,
        address,
        data_dir: memory.dir().to_owned(),
        token,
        example,
    }
}

/// Done at SIGTERM or SIGINT; listens from the moment of the call.
#[cfg(unix)]
fn signalled() -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Done at Ctrl-C.
#[cfg(not(unix))]
fn signalled() -> std::io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
