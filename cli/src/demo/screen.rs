//! The demo in a terminal: one view, drawn anew each second.

use std::{io, thread, time::Duration};

use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyModifiers},
    layout::{Constraint, Layout, Rect},
    style::{Color, Style, Stylize},
    symbols::Marker,
    text::{Line, Span, Text},
    widgets::{Axis, Block, BorderType, Chart, Dataset, GraphType, Padding, Paragraph},
};
use telemetry::Shutdown;

use super::{progress::Progress, text::decibels};

const ENHANCED: Color = Color::Rgb(76, 201, 164);
const VIDEO: Color = Color::Rgb(91, 141, 239);
const SOUND: Color = Color::Rgb(197, 138, 249);
const PATCHES: Color = Color::Rgb(242, 180, 92);
const QUIET: Color = Color::Rgb(139, 151, 167);

/// The terminal while the demo has it; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal. Ctrl-C and q are keys from now on: they ask for the end.
    pub(crate) fn open(shutdown: &Shutdown) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let shutdown = shutdown.clone();
        thread::Builder::new().name("keys".into()).spawn(move || watch_keys(&shutdown))?;
        Ok(Self(terminal))
    }

    pub(crate) fn draw(&mut self, progress: &Progress, elapsed: Duration) -> io::Result<()> {
        self.0.draw(|frame| draw(frame, progress, elapsed)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn watch_keys(shutdown: &Shutdown) {
    while !shutdown.is_requested() {
        match event::poll(Duration::from_millis(200)) {
            Ok(false) => {}
            Ok(true) => {
                if let Ok(Event::Key(key)) = event::read() {
                    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                    if control_c || key.code == KeyCode::Char('q') {
                        shutdown.request();
                    }
                }
            }
            Err(_) => return, // the terminal is gone; signals still end the demo
        }
    }
}

fn draw(frame: &mut Frame, progress: &Progress, elapsed: Duration) {
    let [head, middle, flow, log] =
        Layout::vertical([Constraint::Length(4), Constraint::Min(8), Constraint::Length(5), Constraint::Max(9)])
            .areas(frame.area());
    let [chart, uplink] = Layout::horizontal([Constraint::Min(20), Constraint::Length(32)]).areas(middle);
    frame.render_widget(headline(progress, elapsed), head);
    draw_gain(frame, chart, progress);
    frame.render_widget(uplink_split(progress), uplink);
    frame.render_widget(frames(progress), flow);
    let newest = progress.log.iter().rev().take(usize::from(log.height.saturating_sub(2))).rev();
    let lines: Vec<Line> = newest.map(|line| Line::from(line.as_str()).fg(QUIET)).collect();
    frame.render_widget(Paragraph::new(lines).block(panel(" log ")), log);
}

fn panel(title: &str) -> Block<'_> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(Color::DarkGray))
        .padding(Padding::horizontal(1))
        .title(title.bold())
}

fn headline(progress: &Progress, elapsed: Duration) -> Paragraph<'_> {
    let learning = &progress.status.learning;
    let psnr = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2} dB"));
    let checkpoint = match (learning.live_version, learning.withdrawn) {
        (0, _) => "none yet: exact bicubic".to_owned(),
        (version, true) => format!("{version}, withdrawn: exact bicubic"),
        (version, false) => format!("{version} in use"),
    };
    let rejected: u64 = learning.checkpoints_rejected_by_reason.values().sum();
    let first = Line::from(vec![
        "gain ".fg(QUIET),
        decibels(learning.gain_db).fg(ENHANCED).bold(),
        "   PSNR on fresh patches: bicubic ".fg(QUIET),
        psnr(learning.bicubic_psnr_db).into(),
        ", enhanced ".fg(QUIET),
        psnr(learning.enhanced_psnr_db).into(),
    ]);
    let second = Line::from(vec![
        "checkpoint ".fg(QUIET),
        checkpoint.into(),
        format!(
            "   accepted {}, rejected {rejected}, withdrawn {}",
            learning.checkpoints_accepted, learning.checkpoints_withdrawn
        )
        .fg(QUIET),
    ]);
    let title = Line::from(vec![
        " Acuity ".bold().fg(ENHANCED),
        format!(" {}  {} s  ", progress.status.stream, elapsed.as_secs()).fg(QUIET),
    ]);
    let page = Line::from(vec![" page ".fg(QUIET), progress.page.as_str().underlined(), "  Ctrl-C ends ".fg(QUIET)])
        .right_aligned();
    Paragraph::new(Text::from(vec![first, second])).block(panel("").title(title).title(page))
}

/// The gain over time; a dot below it for each accepted checkpoint.
fn draw_gain(frame: &mut Frame, area: Rect, progress: &Progress) {
    let gains: Vec<(f64, f64)> = progress.gain_over_time.iter().copied().collect();
    let begin = gains.first().map_or(0.0, |(at, _)| *at);
    let end = gains.last().map_or(1.0, |(at, _)| *at).max(begin + 30.0);
    let lowest = gains.iter().map(|(_, gain)| *gain).fold(0.0, f64::min);
    let highest = gains.iter().map(|(_, gain)| *gain).fold(0.5, f64::max);
    let (low, high) = ((lowest * 5.0).floor() / 5.0, (highest * 5.0).ceil() / 5.0);
    let zero = [(begin, 0.0), (end, 0.0)];
    let accepted: Vec<(f64, f64)> = progress.accepted.iter().map(|(at, _)| (*at, low)).collect();
    let line = |points, color| {
        Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(color))
            .data(points)
    };
    let marks = Dataset::default().marker(Marker::Dot).style(Style::new().fg(VIDEO)).data(&accepted);
    let labels = |from: f64, to: f64, unit: &str| {
        [from, f64::midpoint(from, to), to].map(|value| Span::from(format!("{value:.1}{unit}")).fg(QUIET))
    };
    let seconds = [begin, end].map(|at| Span::from(format!("{at:.0} s")).fg(QUIET));
    let chart = Chart::new(vec![line(&zero, Color::DarkGray), line(&gains, ENHANCED), marks])
        .block(panel(" gain over bicubic "))
        .x_axis(Axis::default().bounds([begin, end]).labels(seconds))
        .y_axis(Axis::default().bounds([low, high]).labels(labels(low, high, " dB")));
    frame.render_widget(chart, area);
}

fn uplink_split(progress: &Progress) -> Paragraph<'_> {
    const WIDTH: f64 = 26.0;
    let kbps = progress.status.uplink_kbps;
    let total = kbps.video + kbps.audio + kbps.patches + kbps.other;
    let bar = |name: &'static str, value: f64, color| {
        let width = (WIDTH * value / total.max(1.0)).round() as usize;
        let head = Line::from(vec![format!("{name:<9}").fg(QUIET), format!("{value:>7.0} kbit/s").into()]);
        [head, Line::from("█".repeat(width)).fg(color)]
    };
    let bars = [
        bar("video", kbps.video, VIDEO),
        bar("sound", kbps.audio, SOUND),
        bar("patches", kbps.patches, PATCHES),
        bar("other", kbps.other, QUIET),
    ];
    Paragraph::new(Text::from(bars.concat())).block(panel(" uplink "))
}

fn frames(progress: &Progress) -> Paragraph<'_> {
    let Progress { status, trainer, enhancer, published, watched, .. } = progress;
    let fps = |name: &'static str, value: f64| {
        [format!("{name} ").fg(QUIET), format!("{value:.1}").bold(), "  →  ".fg(QUIET)]
    };
    let mut flow = [
        fps("publish", published.fps),
        fps("media-node", status.frames_per_second.source),
        fps("enhancer", status.frames_per_second.enhanced),
        fps("shown", watched.fps),
    ]
    .concat();
    flow.pop();
    let shown = progress.verdict().percent_shown();
    flow.push(format!("   {shown:.1} % of the frames shown   viewers {}", status.viewers).fg(QUIET));
    let state = trainer.state().as_str_name().trim_start_matches("STATE_").to_lowercase();
    let training = Line::from(vec![
        "trainer ".fg(QUIET),
        state.into(),
        format!("  step {}  {} a second on {}", trainer.step, trainer.steps_per_second, trainer.device).fg(QUIET),
    ]);
    let enhancing = Line::from(vec![
        "enhancer ".fg(QUIET),
        format!("version {}", enhancer.version).into(),
        format!("  {:.1} ms a frame (p95) on {}", f64::from(enhancer.p95_us) / 1000.0, enhancer.device).fg(QUIET),
        format!("  {}", enhancer.refused).fg(Color::Red),
    ]);
    Paragraph::new(Text::from(vec![Line::from(flow), training, enhancing])).block(panel(" frames a second "))
}

#[cfg(test)]
mod tests {
    use proto::{
        status::{FramesPerSecond, LearningStatus, StreamStatus, UplinkKbps},
        v1::{EnhancerReport, TrainerReport, trainer_report::State},
    };
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::{
        observe::Observation,
        up::supervisor::{ChildEvent, Happened},
    };

    fn observations() -> Vec<Observation> {
        let said = |child, line: &str| Observation::Child(ChildEvent { child, what: Happened::Said(line.to_owned()) });
        let learning = LearningStatus {
            live_version: 12,
            gain_db: Some(0.84),
            bicubic_psnr_db: Some(33.21),
            enhanced_psnr_db: Some(34.05),
            checkpoints_accepted: 12,
            checkpoints_rejected_by_reason: [("not better".to_owned(), 3)].into(),
            ..LearningStatus::default()
        };
        let status = StreamStatus {
            stream: "default/demo".into(),
            publishing: true,
            enhanced_live: true,
            viewers: 2,
            uplink_kbps: UplinkKbps { video: 352.0, audio: 64.0, patches: 39.0, other: 6.0 },
            frames_per_second: FramesPerSecond { source: 24.0, enhanced: 23.9 },
            learning,
            ..StreamStatus::default()
        };
        let training = TrainerReport {
            state: State::Training.into(),
            step: 3210,
            steps_per_second: 52,
            device: "cpu".into(),
            ..Default::default()
        };
        let enhancing = EnhancerReport { version: 12, p95_us: 8900, device: "cpu".into(), ..Default::default() };
        vec![
            Observation::Status(Box::new(status)),
            Observation::Trainer(training),
            Observation::Enhancer(enhancing),
            said("publish", r#"{"fps": 24.0, "frames": 1000}"#),
            said("watch", r#"{"fps": 23.8, "frames_shown": 998, "frames_expected": 1000}"#),
            said("trainer", "version 12 was accepted"),
        ]
    }

    #[test]
    fn one_view_shows_all_that_matters() {
        let mut progress = Progress::new("http://127.0.0.1:8080/".into());
        for (second, observation) in observations().into_iter().enumerate() {
            progress.observe(Duration::from_secs(second as u64), observation);
        }
        let mut terminal = Terminal::new(TestBackend::new(110, 30)).unwrap();
        terminal.draw(|frame| draw(frame, &progress, Duration::from_secs(61))).unwrap();
        insta::assert_snapshot!(terminal.backend());
    }
}
