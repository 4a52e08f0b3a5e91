//! The promises of the bench crate that need files, the demo corpus or a server.

mod datasets;
mod demo;
mod experience;
mod load;
mod open_data;
mod policies;
mod run;
mod work;
