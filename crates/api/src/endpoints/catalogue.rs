//! Cities, films, and what runs where.

pub(crate) mod browse;
pub(crate) mod browse_shows;
pub(crate) mod cities;
pub(crate) mod movie;
pub(crate) mod movies;
pub(crate) mod theatres;
