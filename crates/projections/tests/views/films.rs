//! Titles in the reader's language, what a search ranks before what, which films run and which will, and pages.

use std::collections::BTreeMap;

use jiff::civil::date;
use marquee_domain::catalogue::{MovieChanged, MovieDetails, MovieEvent};
use marquee_domain::ids::MovieId;
use marquee_domain::show::ShowCancelled;
use marquee_event_store::StreamName;
use marquee_projections::{BrowseError, MovieQuery, MovieStatus, ShowQuery, title_for};

use crate::browsing::{found, movies_in_blr, searched, shows_of, with_shows};
use crate::world::{World, film, screening};

use MovieStatus::{ComingSoon, NowShowing};

fn titled(id: &str, title: &str, titles: &[(&str, &str)]) -> MovieDetails {
    let titles = titles.iter().map(|(tag, title)| ((*tag).into(), (*title).into())).collect();
    MovieDetails { titles, synopsis: None, ..film(id, title, &[]) }
}

/// A film of a title with a show, so that it can be found.
async fn shown(world: &mut World, movie: MovieDetails) {
    let id = movie.movie_id.clone();
    world.film(movie).await;
    world.show(&format!("sh_{id}"), id.as_str(), "2026-02-01T15:00:00Z", 1).await;
}

fn titles_for(world: &World, readers: &[&str]) -> Vec<String> {
    let readers: Vec<_> = readers.iter().map(smol_str::SmolStr::new).collect();
    let query = MovieQuery { readers: readers.clone(), ..movies_in_blr() };
    let page = world.views.browse.movies(&query).unwrap();
    page.movies.iter().map(|listed| title_for(&listed.movie, &readers).to_string()).collect()
}

fn listed(world: &World, status: MovieStatus) -> Vec<String> {
    found(world, &MovieQuery { status: Some(status), ..movies_in_blr() })
}

fn announced(id: &str, title: &str, day: i8) -> MovieDetails {
    MovieDetails { release_date: Some(date(2026, 2, day)), ..film(id, title, &["Drama"]) }
}

#[tokio::test]
async fn a_list_stands_in_the_order_of_the_titles_that_its_reader_sees() {
    let mut world = World::with_catalogue().await;
    shown(&mut world, titled("mv_a", "Alpha", &[("de", "Zug")])).await;
    shown(&mut world, titled("mv_b", "Beta", &[("de", "Abend")])).await;
    world.caught_up().await;
    assert_eq!(titles_for(&world, &[]), ["Alpha", "Beta"]);
    assert_eq!(titles_for(&world, &["de-at"]), ["Abend", "Zug"]);
    assert_eq!(titles_for(&world, &["fr"]), ["Alpha", "Beta"]);
}

#[tokio::test]
async fn a_film_is_found_by_each_of_its_titles_with_a_slip_too() {
    let mut world = World::with_catalogue().await;
    let titles = [("hi", "मध्यरात्रि का कारवाँ"), ("kn", "ಮಧ್ಯರಾತ್ರಿ"), ("fr", "La Caravane de minuit")];
    shown(&mut world, titled("mv_a", "Midnight Caravan", &titles)).await;
    shown(&mut world, titled("mv_b", "Harbour Lights", &[("hi", "बंदरगाह")])).await;
    world.caught_up().await;
    for text in
        ["midnihgt", "caravane minuit", "carvane", "मध्यरात्रि", "मध्यरात्री", "कारवाँ", "मध्यरा", "ಮಧ್ಯರಾತ್ರಿ"]
    {
        assert_eq!(searched(&world, text), ["Midnight Caravan"], "{text}");
    }
    assert_eq!(searched(&world, "बंदरगाह"), ["Harbour Lights"]);

    let movie = titled("mv_a", "Midnight Caravan", &[("ta", "நள்ளிரவு")]);
    let changed = MovieEvent::from(MovieChanged { movie, request: None });
    world.append(StreamName::movie(&"mv_a".into()), vec![changed.into()]).await;
    world.caught_up().await;
    assert_eq!(searched(&world, "நள்ளிரவு"), ["Midnight Caravan"]);
    assert!(searched(&world, "minuit").is_empty(), "a title that was taken away");
}

#[tokio::test]
async fn the_word_goes_before_its_beginning_before_a_slip_and_any_title_before_the_rest() {
    let mut world = World::with_catalogue().await;
    let story = MovieDetails { synopsis: Some("All about harbor".into()), ..titled("mv_1x", "Aa", &[]) };
    shown(&mut world, story).await;
    shown(&mut world, titled("mv_2x", "Bb Harber", &[])).await;
    shown(&mut world, titled("mv_3x", "Cc Harbormaster", &[])).await;
    shown(&mut world, titled("mv_4x", "Dd", &[("fr", "Le Harbor")])).await;
    shown(&mut world, titled("mv_5x", "Ee Harbor Lights", &[])).await;
    shown(&mut world, titled("mv_6x", "Harbor Nights", &[])).await;
    shown(&mut world, titled("mv_7x", "Zz", &[("es", "Harbor")])).await;
    world.caught_up().await;
    let ranked = ["Zz", "Harbor Nights", "Dd", "Ee Harbor Lights", "Cc Harbormaster", "Bb Harber", "Aa"];
    assert_eq!(searched(&world, "harbor"), ranked);
    assert_eq!(searched(&world, "HARBOR"), ranked);
}

#[tokio::test]
async fn now_showing_starts_within_seven_days_and_coming_soon_later() {
    let mut world = with_shows().await;
    world.movie("mv_4", "Edge", &[]).await;
    world.movie("mv_5", "Later", &[]).await;
    // Seven days after the question to the second, and a second more.
    world.show("sh_4", "mv_4", "2026-02-08T12:00:00Z", 1).await;
    world.show("sh_5", "mv_5", "2026-02-08T12:00:01Z", 1).await;
    // A film that runs already comes no sooner for a show that is far off.
    world.show("sh_6", "mv_1", "2026-03-01T12:00:00Z", 1).await;
    world.caught_up().await;
    let now = ["Amélie", "Edge", "Interstellar", "The Grand Budapest Hotel"];
    assert_eq!(listed(&world, NowShowing), now);
    assert_eq!(listed(&world, ComingSoon), ["Later"]);
    assert_eq!(found(&world, &movies_in_blr()), [&now[..3], &["Later"], &now[3..]].concat());
    let page = world.views.browse.movies(&movies_in_blr()).unwrap();
    let told: Vec<_> = page.movies.iter().map(|listed| listed.status.unwrap()).collect();
    assert_eq!(told, [NowShowing, NowShowing, NowShowing, ComingSoon, NowShowing]);

    world.on_show("sh_4", ShowCancelled::default()).await;
    world.caught_up().await;
    assert!(!listed(&world, NowShowing).contains(&"Edge".to_owned()), "what was called off cannot be booked");
}

#[tokio::test]
async fn an_announced_film_without_shows_comes_soon_in_every_city_until_its_day() {
    let mut world = with_shows().await;
    world.city("del", "Delhi").await;
    world.film(announced("mv_6", "Tomorrow", 2)).await;
    world.film(announced("mv_7", "Today", 1)).await;
    world.film(announced("mv_8", "Elsewhere", 9)).await;
    let elsewhere = screening("sh_8", "mv_8", "2026-02-20T12:00:00Z", 1);
    world.scheduled(marquee_domain::show::ShowDetails { city_id: "del".into(), ..elsewhere }).await;
    world.caught_up().await;
    assert_eq!(listed(&world, ComingSoon), ["Tomorrow"]);
    let in_delhi = MovieQuery { city: "del".into(), status: Some(ComingSoon), ..movies_in_blr() };
    assert_eq!(found(&world, &in_delhi), ["Elsewhere", "Tomorrow"]);
    let comedies = MovieQuery { genre: Some("Comedy".into()), ..in_delhi.clone() };
    assert!(found(&world, &comedies).is_empty());
    let searched = MovieQuery { q: Some("tomorow".into()), ..in_delhi.clone() };
    assert_eq!(found(&world, &searched), ["Tomorrow"]);
    let hindi = MovieQuery { language: Some("hi".into()), ..in_delhi.clone() };
    assert!(found(&world, &hindi).is_empty(), "it is in English");
    let some_day = MovieQuery { date: Some(date(2026, 2, 20)), ..in_delhi };
    assert_eq!(found(&world, &some_day), ["Elsewhere"], "who asks for a day asks for shows");
    assert!(!found(&world, &movies_in_blr()).contains(&"Tomorrow".to_owned()));

    world.show("sh_9", "mv_6", "2026-02-01T18:00:00Z", 1).await;
    world.caught_up().await;
    assert_eq!(listed(&world, ComingSoon), Vec::<String>::new(), "it has a preview tonight");
    assert!(listed(&world, NowShowing).contains(&"Tomorrow".to_owned()));
}

#[tokio::test]
async fn now_showing_in_a_language_or_format_has_such_a_show_within_seven_days() {
    let mut world = with_shows().await;
    let imax = screening("sh_imax", "mv_1", "2026-02-20T12:00:00Z", 1);
    world
        .scheduled(marquee_domain::show::ShowDetails { format: "IMAX".into(), language: "hi".into(), ..imax })
        .await;
    world.caught_up().await;
    let imax = MovieQuery { format: Some("imax".into()), ..movies_in_blr() };
    assert_eq!(found(&world, &imax), ["Interstellar"]);
    assert!(found(&world, &MovieQuery { status: Some(NowShowing), ..imax.clone() }).is_empty());
    assert!(found(&world, &MovieQuery { language: Some("en".into()), ..imax.clone() }).is_empty());
    let formats = world.views.browse.movies(&imax).unwrap().movies.remove(0).formats;
    assert_eq!(formats, ["2D", "IMAX"], "all that it can be booked in");
}

#[tokio::test]
async fn a_film_is_told_wherever_it_runs() {
    let mut world = with_shows().await;
    world.film(announced("mv_6", "Tomorrow", 2)).await;
    world.movie("mv_7", "Forgotten", &[]).await;
    world.caught_up().await;
    let told = |id: &str| {
        let told = world.views.browse.movie(&MovieId::from(id), movies_in_blr().now).unwrap();
        (told.status, told.formats.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(told("mv_1"), (Some(NowShowing), vec!["2D".to_owned()]));
    assert_eq!(told("mv_6"), (Some(ComingSoon), vec![]));
    assert_eq!(told("mv_7"), (None, vec![]));
    let unknown = world.views.browse.movie(&"mv_9".into(), movies_in_blr().now);
    assert_eq!(unknown.unwrap_err(), BrowseError::UnknownMovie);
}

#[tokio::test]
async fn a_page_reads_on_though_the_film_that_it_ended_with_is_gone() {
    let mut world = with_shows().await;
    let first = world.views.browse.movies(&MovieQuery { limit: 1, ..movies_in_blr() }).unwrap();
    assert_eq!(first.movies[0].movie.title, "Amélie");
    world.on_show("sh_3", ShowCancelled::default()).await;
    world.caught_up().await;
    let rest = MovieQuery { after: first.next, ..movies_in_blr() };
    assert_eq!(found(&world, &rest), ["Interstellar", "The Grand Budapest Hotel"]);
}

#[tokio::test]
async fn matches_are_read_page_by_page_in_their_order() {
    let mut world = World::with_catalogue().await;
    for number in 0..7 {
        let title = if number % 2 == 0 { format!("Harbor {number}") } else { format!("Harber {number}") };
        shown(&mut world, titled(&format!("mv_h{number}"), &title, &[])).await;
    }
    world.caught_up().await;
    let all = searched(&world, "harbor");
    assert_eq!(all.len(), 7);
    let (mut read, mut after) = (vec![], None);
    loop {
        let query = MovieQuery { q: Some("harbor".into()), limit: 2, after, ..movies_in_blr() };
        let page = world.views.browse.movies(&query).unwrap();
        read.extend(page.movies.iter().map(|listed| listed.movie.title.to_string()));
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(read, all);
}

#[tokio::test]
async fn theatres_and_cities_are_read_page_by_page_by_name() {
    let mut world = World::with_catalogue().await;
    let names = ["Echo", "Bravo", "Delta", "Alpha"];
    for (number, name) in names.into_iter().enumerate() {
        world.theatre(&format!("th_{number}"), "blr", name).await;
        world.city(&format!("c_{number}"), name).await;
        for slot in ["13", "15"] {
            let id = format!("sh_{number}_{slot}");
            let show = screening(&id, "mv_1", &format!("2026-02-01T{slot}:00:00Z"), 1);
            let theatre_id = format!("th_{number}").as_str().into();
            world.scheduled(marquee_domain::show::ShowDetails { theatre_id, ..show }).await;
        }
    }
    world.caught_up().await;
    let first = world.views.browse.shows(&ShowQuery { limit: 3, ..shows_of("mv_1") }).unwrap();
    let told = |page: &marquee_projections::ShowPage| {
        page.theatres
            .iter()
            .map(|found| (found.theatre.name.to_string(), found.shows.len()))
            .collect::<BTreeMap<_, _>>()
    };
    let of = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 2)).collect::<BTreeMap<_, _>>();
    assert_eq!(told(&first), of(&["Alpha", "Bravo", "Delta"]));
    let rest =
        world.views.browse.shows(&ShowQuery { limit: 3, after: first.next, ..shows_of("mv_1") }).unwrap();
    assert_eq!((told(&rest), rest.next), (of(&["Echo"]), None));

    let first = world.views.browse.cities(4, None);
    let names = |page: &marquee_projections::CityPage| {
        page.cities.iter().map(|city| city.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&first), ["Alpha", "Bengaluru", "Bravo", "Delta"]);
    let rest = world.views.browse.cities(4, first.next.as_ref());
    assert_eq!((names(&rest), rest.next), (vec!["Echo".to_owned()], None));
}

#[tokio::test]
async fn titles_and_days_of_release_outlive_a_restart_and_a_rebuild() {
    let mut world = World::with_catalogue().await;
    shown(&mut world, titled("mv_a", "Midnight Caravan", &[("fr", "Minuit")])).await;
    world.film(announced("mv_6", "Tomorrow", 2)).await;
    world.caught_up().await;
    for how in ["restart", "rebuild"] {
        if how == "restart" {
            world.reopen_views().await;
        } else {
            world.rebuild("browse").await;
        }
        world.caught_up().await;
        assert_eq!(searched(&world, "minuit"), ["Midnight Caravan"], "{how}");
        assert_eq!(listed(&world, ComingSoon), ["Tomorrow"], "{how}");
        assert_eq!(titles_for(&world, &["fr"]), ["Minuit"], "{how}");
    }
}
