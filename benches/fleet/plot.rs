//! Curves as SVG: the number of pods on a logarithmic axis, a line for each number of clusters.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 3] = ["#1f6feb", "#d1682d", "#2f8f4e"];

/// A file for each figure whose growth says something.
pub fn write(folder: &Path, rows: &[Value]) {
    for (key, title, file) in [
        ("cpu_us_per_event", "CPU of a new pod, microseconds", "fleet-event.svg"),
        ("rss_bytes_per_pod", "resident bytes a pod", "fleet-memory.svg"),
        ("pods_per_core_second", "pods a core second, from list to plan", "fleet-start.svg"),
    ] {
        std::fs::write(folder.join(file), plot(rows, key, title)).unwrap();
    }
}

fn plot(rows: &[Value], key: &str, title: &str) -> String {
    let of = |row: &Value, key: &str| row[key].as_f64().unwrap_or_default();
    let top = rows.iter().map(|row| of(row, key)).fold(0.0, f64::max) * 1.1;
    let (first, last) = (3.0, 500_000_f64.log10());
    let x = |pods: f64| MARGIN + (pods.log10() - first) / (last - first) * (WIDTH - 2.0 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - value / top * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">{title}</text>\n"
    );
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{2}\" y2=\"{2}\" stroke=\"#ddd\"/><text x=\"{1}\" y=\"{2}\" text-anchor=\"end\">{value:.0}</text>",
            WIDTH - MARGIN,
            MARGIN - 6.0,
            y(value)
        );
    }
    for (pods, label) in [(1e3, "1,000"), (1e4, "10,000"), (1e5, "100,000"), (5e5, "500,000")] {
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            x(pods),
            HEIGHT - MARGIN + 18.0
        );
    }
    for (index, (clusters, colour)) in [1.0, 10.0, 100.0].into_iter().zip(COLOURS).enumerate() {
        let of_clusters = rows.iter().filter(|row| of(row, "clusters") == clusters);
        let points: Vec<String> =
            of_clusters.map(|row| format!("{:.1},{:.1}", x(of(row, "pods")), y(of(row, key)))).collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/><text x=\"{}\" y=\"{}\" fill=\"{colour}\">{clusters} clusters</text>",
            points.join(" "),
            WIDTH - MARGIN - 90.0,
            44.0 + 16.0 * index as f64
        );
    }
    svg.push_str("</svg>\n");
    svg
}
