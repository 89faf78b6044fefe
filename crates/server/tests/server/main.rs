//! Parts of the server, each through what it offers to the others. One program, so that it is linked once.

mod command_line;
mod config;
mod config_values;
mod csrf;
mod issuer;
mod keys;
mod package_files;
mod throttle;
mod tokens;
mod upstreams;
