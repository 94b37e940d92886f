//! What `crdgen` prints is what is committed.

#[test]
fn the_committed_definition_is_what_the_types_say() {
    let committed = include_str!("../livestreams.acuity.video.yaml");
    assert!(
        committed == crds::definition_yaml(),
        "cargo run -p crds --bin crdgen definition > crds/livestreams.acuity.video.yaml"
    );
}

#[test]
fn the_committed_reference_is_what_the_types_say() {
    let committed = include_str!("../../docs/livestream.md");
    assert!(committed == crds::reference(), "cargo run -p crds --bin crdgen reference > docs/livestream.md");
}

#[test]
fn every_link_within_the_reference_leads_to_a_heading() {
    let page = crds::reference();
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter(|each| each.is_ascii_alphanumeric() || matches!(each, ' ' | '-'));
        kept.collect::<String>().trim().replace(' ', "-").to_ascii_lowercase()
    };
    let anchors: Vec<_> = page.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let links: Vec<_> =
        page.split("](#").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link).collect();
    assert!(links.len() > 10);
    for link in links {
        assert!(anchors.iter().any(|anchor| anchor == link), "no heading for #{link}");
    }
}

#[test]
fn the_definition_stays_far_below_what_an_annotation_holds() {
    let size = serde_json::to_string(&crds::definition()).expect("a definition is JSON").len();
    assert!(size < 128 << 10, "{size} bytes; kubectl apply keeps it in an annotation of at most 256 KiB");
}
