//! The cinemas that a run books in, built over HTTP as a partner builds them.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::LoadError;
use crate::token;

/// Screens that shows are spread over, in theatres of five.
const SCREENS: usize = 50;
const SCREENS_A_THEATRE: usize = 5;
/// Shows that are created at once.
const AT_ONCE: usize = 16;

/// A hall: rows of equally many seats.
#[derive(Debug, Clone, Copy)]
pub struct Hall {
    /// Rows, `A` to `Z` at most.
    pub rows: usize,
    /// Seats in each.
    pub columns: usize,
}

impl Hall {
    /// Enough seats that a run does not sell out.
    pub const LARGE: Self = Self { rows: 26, columns: 42 };
    /// The largest that fits a request body, for the show that everyone wants.
    pub const LARGEST: Self = Self { rows: 26, columns: 60 };
    /// An ordinary one, for reading its seat map.
    pub const ORDINARY: Self = Self { rows: 12, columns: 20 };

    /// The names of its seats, row by row.
    pub fn seats(self) -> Vec<String> {
        ('A'..='Z')
            .take(self.rows)
            .flat_map(|row| (1..=self.columns).map(move |column| format!("{row}{column}")))
            .collect()
    }

    /// Its rows, as a screen's.
    pub fn layout(self) -> Value {
        let seats = self.seats();
        let row = |seats: &[String]| {
            let listed: Vec<_> =
                seats.iter().map(|seat| json!({"seatId": seat, "type": "REGULAR"})).collect();
            json!({"rowLabel": seats[0][..1], "seats": listed})
        };
        seats.chunks(self.columns).map(row).collect()
    }
}

/// A server with a city, a film, a partner, its theatres and their screens.
pub struct World {
    partner: Client,
    screens: Vec<(String, String)>,
    movie: String,
    first_start: Timestamp,
    shows: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MovieCreated {
    movie_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartnerCreated {
    partner_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TheatreCreated {
    theatre_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScreenCreated {
    screen_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShowCreated {
    show_id: String,
}

impl World {
    /// Builds it, with halls of this kind.
    pub async fn build(base: &str, hall: Hall) -> Result<Self, LoadError> {
        let admin = Client::new(base, Some(&token::mint("u_load_admin", "admin", None)?), 1)?;
        let city = json!({"cityId": "blr", "name": "Bengaluru", "timezone": "Asia/Kolkata"});
        let _: Value = admin.create("/api/v1/cities", &city).await?;
        let movie = json!({
            "title": "A Film for a Crowd", "languages": ["en"], "genres": ["Drama"], "durationMins": 120
        });
        let MovieCreated { movie_id: movie } = admin.create("/api/v1/movies", &movie).await?;
        let partner = json!({"name": "Load Cinemas", "contactEmail": "load@example.com"});
        let PartnerCreated { partner_id } = admin.create("/api/v1/partners", &partner).await?;
        let token = token::mint("u_load_partner", "partner", Some(&partner_id))?;
        let partner = Client::new(base, Some(&token), AT_ONCE)?;

        let mut screens = Vec::with_capacity(SCREENS);
        for theatre in 0..SCREENS / SCREENS_A_THEATRE {
            let body = json!({"name": format!("Theatre {theatre}"), "cityId": "blr", "area": "Centre"});
            let TheatreCreated { theatre_id } =
                partner.create(&format!("/api/v1/partners/{partner_id}/theatres"), &body).await?;
            for screen in 0..SCREENS_A_THEATRE {
                let body = json!({"name": format!("Screen {screen}"), "rows": hall.layout()});
                let ScreenCreated { screen_id } =
                    partner.create(&format!("/api/v1/theatres/{theatre_id}/screens"), &body).await?;
                screens.push((theatre_id.clone(), screen_id));
            }
        }
        let first_start = token::now() + SignedDuration::from_hours(48);
        Ok(Self { partner, screens, movie, first_start, shows: 0 })
    }

    /// Schedules more shows, each in a slot of its own.
    pub async fn add_shows(&mut self, count: usize) -> Result<Vec<String>, LoadError> {
        let first = self.shows;
        self.shows += count;
        let bodies = (first..self.shows).map(|number| {
            let (theatre_id, screen_id) = &self.screens[number % self.screens.len()];
            let slot = i64::try_from(number / self.screens.len()).unwrap_or(i64::MAX);
            let start = self.first_start + SignedDuration::from_hours(3 * slot);
            json!({
                "theatreId": theatre_id, "screenId": screen_id, "movieId": self.movie,
                "startTime": start.strftime("%Y-%m-%dT%H:%M:00Z").to_string(),
                "language": "en", "format": "2D", "prices": {"REGULAR": 180}
            })
        });
        let partner = &self.partner;
        stream::iter(bodies)
            .map(|body| async move { partner.create::<ShowCreated>("/api/v1/shows", &body).await })
            .buffered(AT_ONCE)
            .map_ok(|created| created.show_id)
            .try_collect()
            .await
    }
}
