//! What is found by city, date and text.

use jiff::civil::date;
use marquee_domain::show::{SalesWindow, ShowCancelled, ShowChanged};
use marquee_projections::{BrowseError, MovieQuery, ShowQuery};

use crate::world::{World, before, time};

pub fn movies_in_blr() -> MovieQuery {
    MovieQuery {
        city: "blr".into(),
        date: None,
        language: None,
        format: None,
        genre: None,
        q: None,
        status: None,
        readers: vec![],
        now: before(),
        limit: 10,
        after: None,
    }
}

pub fn shows_of(movie: &str) -> ShowQuery {
    ShowQuery {
        city: "blr".into(),
        movie: movie.into(),
        date: date(2026, 2, 1),
        language: None,
        format: None,
        now: before(),
        limit: 10,
        after: None,
    }
}

pub async fn with_shows() -> World {
    let mut world = World::with_catalogue().await;
    world.show("sh_1", "mv_1", "2026-02-01T13:00:00Z", 1).await;
    // Still the second of February in India, though not at Greenwich.
    world.show("sh_2", "mv_2", "2026-02-01T20:00:00Z", 1).await;
    world.show("sh_3", "mv_3", "2026-02-01T15:00:00Z", 1).await;
    world.caught_up().await;
    world
}

pub fn found(world: &World, query: &MovieQuery) -> Vec<String> {
    let page = world.views.browse.movies(query).unwrap();
    page.movies.iter().map(|listed| listed.movie.title.to_string()).collect()
}

pub fn searched(world: &World, text: &str) -> Vec<String> {
    found(world, &MovieQuery { q: Some(text.into()), ..movies_in_blr() })
}

#[tokio::test]
async fn a_show_is_found_before_its_sale_begins_and_no_more_once_it_is_over() {
    let mut world = with_shows().await;
    let (from, until) = (time("2026-02-01T12:10:00Z"), time("2026-02-01T12:20:00Z"));
    let sales = Some(SalesWindow { from: Some(from), until: Some(until) });
    world.on_show("sh_1", ShowChanged { sales, ..ShowChanged::default() }).await;
    let check = async |world: &World| {
        world.caught_up().await;
        for (now, listed) in [(before(), true), (from, true), (until, false)] {
            let shows = world.views.browse.shows(&ShowQuery { now, ..shows_of("mv_1") }).unwrap();
            let cards: Vec<_> = shows.theatres.iter().flat_map(|theatre| &theatre.shows).collect();
            assert_eq!(cards.len(), usize::from(listed), "at {now}");
            assert!(cards.iter().all(|card| card.show.sales.from == Some(from)));
            let films = found(world, &MovieQuery { now, ..movies_in_blr() });
            assert_eq!(films.contains(&"Interstellar".to_owned()), listed, "at {now}");
        }
    };
    check(&world).await;
    world.rebuild("browse").await;
    check(&world).await;
    world.reopen_views().await;
    check(&world).await;
    world
        .on_show("sh_1", ShowChanged { sales: Some(SalesWindow::default()), ..ShowChanged::default() })
        .await;
    world.caught_up().await;
    let shows = world.views.browse.shows(&ShowQuery { now: until, ..shows_of("mv_1") }).unwrap();
    assert_eq!(shows.theatres.len(), 1);
}

#[tokio::test]
async fn a_city_lists_the_films_that_can_be_booked_there_by_title() {
    let mut world = with_shows().await;
    let all = ["Amélie", "Interstellar", "The Grand Budapest Hotel"];
    assert_eq!(found(&world, &movies_in_blr()), all);
    let on = |day| MovieQuery { date: Some(date(2026, 2, day)), ..movies_in_blr() };
    assert_eq!(found(&world, &on(1)), ["Amélie", "Interstellar"]);
    assert_eq!(found(&world, &on(2)), ["The Grand Budapest Hotel"]);
    let later = MovieQuery { now: time("2026-02-01T13:00:00Z"), ..movies_in_blr() };
    assert_eq!(
        found(&world, &later),
        ["Amélie", "The Grand Budapest Hotel"],
        "what has started cannot be booked"
    );
    let comedy = MovieQuery { genre: Some("comedy".into()), ..movies_in_blr() };
    assert_eq!(found(&world, &comedy), ["The Grand Budapest Hotel"]);
    assert!(found(&world, &MovieQuery { language: Some("hi".into()), ..movies_in_blr() }).is_empty());

    world.on_show("sh_3", ShowCancelled::default()).await;
    world.on_show("sh_1", ShowChanged { language: Some("hi".into()), ..ShowChanged::default() }).await;
    world.caught_up().await;
    assert_eq!(found(&world, &movies_in_blr()), ["Interstellar", "The Grand Budapest Hotel"]);
    assert_eq!(
        found(&world, &MovieQuery { language: Some("HI".into()), ..movies_in_blr() }),
        ["Interstellar"]
    );
}

#[tokio::test]
async fn another_city_has_none_of_them_and_an_unknown_one_is_an_error() {
    let mut world = with_shows().await;
    world.city("del", "Delhi").await;
    world.caught_up().await;
    assert!(found(&world, &MovieQuery { city: "del".into(), ..movies_in_blr() }).is_empty());
    let nowhere = world.views.browse.movies(&MovieQuery { city: "xxx".into(), ..movies_in_blr() });
    assert_eq!(nowhere.unwrap_err(), BrowseError::UnknownCity);
    assert_eq!(world.views.browse.shows(&shows_of("mv_9")).unwrap_err(), BrowseError::UnknownMovie);
}

#[tokio::test]
async fn a_search_forgives_slips_case_accents_and_unfinished_words() {
    let world = with_shows().await;
    for text in
        ["interstellar", "INTERSTELLAR", "intersteller", "interstelar", "Intrestellar", "inters", "intrest"]
    {
        assert_eq!(searched(&world, text), ["Interstellar"], "{text}");
    }
    for text in ["grand budapest", "budapset", "hotle grand", "the grand bud", "buda"] {
        assert_eq!(searched(&world, text), ["The Grand Budapest Hotel"], "{text}");
    }
    for text in ["amelie", "Amélie", "ameile"] {
        assert_eq!(searched(&world, text), ["Amélie"], "{text}");
    }
    for text in ["zzz", "grand interstellar", "xyzzy quux"] {
        assert!(searched(&world, text).is_empty(), "{text}");
    }
}

#[tokio::test]
async fn the_film_that_bears_the_word_goes_before_the_one_that_nearly_does() {
    let mut world = with_shows().await;
    world.movie("mv_4", "Hostel", &["Horror"]).await;
    world.show("sh_4", "mv_4", "2026-02-01T15:00:00Z", 1).await;
    world.caught_up().await;
    assert_eq!(searched(&world, "hotel"), ["The Grand Budapest Hotel", "Hostel"]);
    assert_eq!(searched(&world, "hostel"), ["Hostel", "The Grand Budapest Hotel"]);
}

#[tokio::test]
async fn films_are_read_page_by_page() {
    let world = with_shows().await;
    let first = world.views.browse.movies(&MovieQuery { limit: 2, ..movies_in_blr() }).unwrap();
    assert_eq!(first.movies.len(), 2);
    let rest = MovieQuery { limit: 2, after: first.next, ..movies_in_blr() };
    let rest = world.views.browse.movies(&rest).unwrap();
    assert_eq!((rest.movies.len(), rest.next), (1, None));
}

#[tokio::test]
async fn shows_of_a_day_are_listed_by_theatre_and_start() {
    let mut world = with_shows().await;
    world.show("sh_5", "mv_1", "2026-02-01T16:00:00Z", 1).await;
    world.show("sh_4", "mv_1", "2026-02-01T12:30:00Z", 1).await;
    world.caught_up().await;
    let shows = |query: &ShowQuery| {
        let theatres = world.views.browse.shows(query).unwrap().theatres;
        let shows = |theatre: &marquee_projections::TheatreShows| {
            theatre.shows.iter().map(|card| card.show.show_id.to_string()).collect::<Vec<_>>()
        };
        theatres.iter().map(|found| (found.theatre.name.to_string(), shows(found))).collect::<Vec<_>>()
    };
    let at_orion =
        |ids: &[&str]| vec![("PVR Orion".to_owned(), ids.iter().map(ToString::to_string).collect())];
    assert_eq!(shows(&shows_of("mv_1")), at_orion(&["sh_4", "sh_1", "sh_5"]));
    let later = ShowQuery { now: time("2026-02-01T12:45:00Z"), ..shows_of("mv_1") };
    assert_eq!(shows(&later), at_orion(&["sh_1", "sh_5"]));
    assert_eq!(shows(&ShowQuery { format: Some("2d".into()), ..later }), at_orion(&["sh_1", "sh_5"]));
    assert!(shows(&ShowQuery { format: Some("IMAX".into()), ..shows_of("mv_1") }).is_empty());
    assert!(shows(&ShowQuery { date: date(2026, 2, 2), ..shows_of("mv_1") }).is_empty());

    let card = world.views.catalogue.show(&"sh_1".into()).unwrap();
    assert_eq!((card.total_seats, card.price_from.minor, card.local_date), (10, 25_050, date(2026, 2, 1)));
}
