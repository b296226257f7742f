//! Many cities with many theatres and shows, to browse in.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::LoadError;
use crate::token;
use crate::world::Hall;

/// Theatres of a city.
const THEATRES_A_CITY: usize = 10;
/// Shows of a theatre, on its one screen: one every six hours, for ten days.
const SHOWS_A_THEATRE: usize = 40;
const HOURS_A_SHOW: i64 = 6;
/// Films, and how many of them run in one city.
const FILMS: usize = 200;
const FILMS_A_CITY: usize = 40;
/// Requests of the set-up at once.
const AT_ONCE: usize = 16;

const FIRST: [&str; 20] = [
    "Midnight",
    "Silent",
    "Golden",
    "Broken",
    "Wooden",
    "Scarlet",
    "Distant",
    "Crimson",
    "Restless",
    "Forgotten",
    "Burning",
    "Frozen",
    "Wandering",
    "Electric",
    "Paper",
    "Velvet",
    "Lonely",
    "Shining",
    "Northern",
    "Borrowed",
];
const SECOND: [&str; 10] = [
    "Caravan", "Harbour", "Lantern", "Orchard", "Railway", "Monsoon", "Telegram", "Mountain", "Festival",
    "Symphony",
];
const HINDI: [&str; 10] =
    ["कारवाँ", "बंदरगाह", "लालटेन", "बगीचा", "रेलगाड़ी", "बरसात", "तार", "पहाड़", "मेला", "संगीत"];
const GENRES: [&str; 5] = ["Drama", "Comedy", "Thriller", "Romance", "Adventure"];
const LANGUAGES: [&str; 3] = ["en", "hi", "kn"];
const FORMATS: [&str; 3] = ["2D", "3D", "IMAX"];

/// What was built.
pub struct Catalogue {
    partner: Client,
    /// Theatre and screen of each city in turn.
    screens: Vec<(String, String)>,
    cities: usize,
    first_start: Timestamp,
    /// Shows that were added after all others.
    added: usize,
}

/// A show that was added, and where it must be found.
pub struct Added {
    /// The show.
    pub show_id: String,
    /// The path of its film's shows in its city on its day.
    pub path: String,
}

/// The id in the answer to a create.
fn id(made: &Value, name: &str) -> Result<String, LoadError> {
    let id = made[name].as_str().map(ToOwned::to_owned);
    id.ok_or_else(|| LoadError::Child(format!("a create answered without {name}: {made}")))
}

fn title(film: usize) -> String {
    format!("{} {}", FIRST[film % FIRST.len()], SECOND[film / FIRST.len() % SECOND.len()])
}

/// The film of a city by its number there.
fn film_of(city: usize, number: usize) -> usize {
    (city * 7 + number % FILMS_A_CITY) % FILMS
}

fn film_id(film: usize) -> String {
    format!("mv_{film}")
}

impl Catalogue {
    /// Cities for this many theatres, with forty shows each.
    pub async fn build(base: &str, theatres: usize) -> Result<Self, LoadError> {
        let admin = Client::new(base, Some(&token::mint("u_load_admin", "admin", None)?), AT_ONCE)?;
        let cities = theatres.div_ceil(THEATRES_A_CITY);
        let city = |city: usize| json!({"cityId": format!("c{city}"), "name": format!("City {city}"), "timezone": "Asia/Kolkata"});
        create(&admin, "/api/v1/cities", (0..cities).map(city)).await?;
        create(&admin, "/api/v1/movies", (0..FILMS).map(film)).await?;
        let partner = json!({"name": "Browse Cinemas", "contactEmail": "browse@example.com"});
        let partner_id = id(&admin.create("/api/v1/partners", &partner).await?, "partnerId")?;
        let token = token::mint("u_load_browse_partner", "partner", Some(&partner_id))?;
        let partner = Client::new(base, Some(&token), AT_ONCE)?;
        let theatre = |theatre: usize| json!({"name": format!("Theatre {theatre}"), "cityId": format!("c{}", theatre / THEATRES_A_CITY), "area": "Centre"});
        let made =
            create(&partner, &format!("/api/v1/partners/{partner_id}/theatres"), (0..theatres).map(theatre))
                .await?;
        let mut screens = Vec::with_capacity(theatres);
        for made in made {
            let theatre = id(&made, "theatreId")?;
            let body = json!({"name": "Screen 1", "rows": Hall { rows: 5, columns: 20 }.layout()});
            let made: Value = partner.create(&format!("/api/v1/theatres/{theatre}/screens"), &body).await?;
            screens.push((theatre, id(&made, "screenId")?));
        }
        let first_start = token::now() + SignedDuration::from_hours(12);
        let mut built = Self { partner, screens, cities, first_start, added: 0 };
        let shows = theatres * SHOWS_A_THEATRE;
        let bodies: Vec<_> =
            (0..shows).map(|number| built.show(number % theatres, number / theatres)).collect();
        create(&built.partner, "/api/v1/shows", bodies).await?;
        built.added = 0;
        Ok(built)
    }

    /// What there is, for the report.
    pub fn describe(&self) -> String {
        format!(
            "{} cities, {} theatres, {} shows, {FILMS} films",
            self.cities,
            self.screens.len(),
            self.screens.len() * SHOWS_A_THEATRE
        )
    }

    /// A show of a theatre in one of its slots.
    fn show(&self, theatre: usize, slot: usize) -> Value {
        let (theatre_id, screen_id) = &self.screens[theatre];
        let film = film_of(theatre / THEATRES_A_CITY, theatre * 3 + slot);
        json!({
            "theatreId": theatre_id, "screenId": screen_id, "movieId": film_id(film),
            "startTime": self.start(slot).strftime("%Y-%m-%dT%H:%M:00Z").to_string(),
            "language": LANGUAGES[(film + slot) % LANGUAGES.len()], "format": FORMATS[(theatre + slot) % FORMATS.len()],
            "prices": {"REGULAR": 180}
        })
    }

    fn start(&self, slot: usize) -> Timestamp {
        let hours = HOURS_A_SHOW * i64::try_from(slot).unwrap_or(i64::MAX);
        self.first_start.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX)
    }

    /// The day of a slot in the cities, which keep Indian time.
    fn date(&self, slot: usize) -> String {
        let local = self.start(slot).saturating_add(SignedDuration::from_mins(330)).unwrap_or(Timestamp::MAX);
        local.strftime("%Y-%m-%d").to_string()
    }

    /// Adds one more show, after all that its screen has; answers once it is acknowledged.
    pub async fn add_show(&mut self) -> Result<Added, LoadError> {
        let (theatre, slot) =
            (self.added % self.screens.len(), SHOWS_A_THEATRE + self.added / self.screens.len());
        self.added += 1;
        let body = self.show(theatre, slot);
        let city = theatre / THEATRES_A_CITY;
        let path = format!(
            "/api/v1/cities/c{city}/movies/{}/shows?date={}",
            body["movieId"].as_str().unwrap_or_default(),
            self.date(slot)
        );
        let made: Value = self.partner.create("/api/v1/shows", &body).await?;
        Ok(Added { show_id: id(&made, "showId")?, path })
    }

    /// What readers of each city ask for: lists, searches with a slip, and the shows of films.
    pub fn paths(&self) -> [Vec<String>; 3] {
        let [mut lists, mut searches, mut shows] = [const { Vec::new() }; 3];
        for city in 0..self.cities {
            let movies = format!("/api/v1/cities/c{city}/movies");
            let date = self.date(city % 20);
            lists.extend([
                movies.clone(),
                format!("{movies}?status=NOW_SHOWING&lang=hi"),
                format!("{movies}?date={date}"),
                format!("{movies}?language=hi&genre=Drama"),
            ]);
            for number in 0..4 {
                let title = title(film_of(city, number * 11));
                let (first, second) = title.split_once(' ').unwrap_or_default();
                searches
                    .push(format!("{movies}?q={}", slipped(if number % 2 == 0 { first } else { second })));
            }
            for number in 0..6 {
                let film = film_id(film_of(city, number * 5));
                shows.push(format!("{movies}/{film}/shows?date={}", self.date(number * 3)));
            }
        }
        [lists, searches, shows]
    }
}

fn film(film: usize) -> Value {
    let hindi = format!("{} {film}", HINDI[film / FIRST.len() % HINDI.len()]);
    json!({
        "movieId": film_id(film), "title": title(film), "titles": {"hi": hindi}, "languages": LANGUAGES,
        "genres": [GENRES[film % GENRES.len()], GENRES[(film + 2) % GENRES.len()]], "durationMins": 120, "certificate": "UA",
        "synopsis": format!("What became of a {} that nobody was looking for.", SECOND[film % SECOND.len()].to_lowercase()),
        "releaseDate": "2026-01-30"
    })
}

/// Two letters in the middle change places.
fn slipped(word: &str) -> String {
    let mut letters: Vec<_> = word.to_lowercase().chars().collect();
    let middle = letters.len() / 2;
    letters.swap(middle - 1, middle);
    letters.into_iter().collect()
}

async fn create(
    client: &Client,
    path: &str,
    bodies: impl IntoIterator<Item = Value>,
) -> Result<Vec<Value>, LoadError> {
    stream::iter(bodies)
        .map(|body| async move { client.create::<Value>(path, &body).await })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_film_has_a_title_of_its_own_and_a_search_that_misspells_it() {
        let titles: std::collections::BTreeSet<_> = (0..FILMS).map(title).collect();
        assert_eq!(titles.len(), FILMS);
        for word in FIRST.iter().chain(&SECOND) {
            assert_ne!(slipped(word), word.to_lowercase());
        }
    }
}
