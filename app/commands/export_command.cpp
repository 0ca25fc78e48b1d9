#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>

#include "app/commands/command.h"
#include "app/commands/compute_options.h"
#include "app/commands/tile_option.h"
#include "app/window/export.h"
#include "core/formats/file.h"

namespace headroom {

namespace {

struct ExportOptions {
  ComputeOptions compute;
  std::string view = "heads", size = "1600x900", theme = "dark", out;
  std::optional<std::string> tile;
  double scale = 1;
  bool with_times = false;
};

Size parse_size(const std::string& text) {
  const auto at = text.find('x');
  int w = 0, h = 0;
  const char* end = text.data() + text.size();
  if (at != std::string::npos) {
    const auto first = std::from_chars(text.data(), text.data() + at, w);
    const auto second = std::from_chars(text.data() + at + 1, end, h);
    const bool is_whole = first.ptr == text.data() + at && second.ptr == end;
    if (is_whole && first.ec == std::errc() && second.ec == std::errc() && w > 0 && h > 0) {
      return {static_cast<double>(w), static_cast<double>(h)};
    }
  }
  throw UsageError("--size " + escape_for_display(text) + ": it should be WIDTHxHEIGHT in pixels, e.g. 1600x900");
}

void export_now(const ExportOptions& options, const std::filesystem::path& assets) {
  ExportRequest request;
  request.view = options.view;
  const auto section = speed_section_of(options.view);
  const bool writes_csv = is_csv(options.out);
  if (writes_csv && !section)
    throw UsageError("--out " + escape_for_display(options.out) +
                     ": only --view speed, ladder, roofline, growth and devices have numbers for a .csv file");
  if (!writes_csv) request.format = export_format(options.out);
  request.size = parse_size(options.size);
  request.scale = options.scale;
  request.theme = options.theme == "light" ? ThemeName::kLight : ThemeName::kDark;

  std::optional<TileOption> tile;
  if (options.tile) {
    tile = parse_tile(*options.tile);
    if (request.view != "head" && request.view != "window")
      throw UsageError("--tile shows a part of one head: it goes with --view head or --view window");
  }

  Session session = options.compute.session(assets);
  ComputeRequest compute{assets};
  compute.needs_held_out_loss = request.view == "window";  // the rail shows it
  auto snapshot = compute_now(session, compute);
  if (tile) {
    session = show_tile(session, *tile, static_cast<std::int64_t>(snapshot->seq()), std::ssize(snapshot->trace->layers));
  }
  SpeedState speed;
  if (section) speed = measure_speed_now(session, *snapshot, {assets, *section});
  if (!options.with_times) snapshot = without_times(snapshot);
  AppModel model = export_model(session, snapshot);
  model.speed = speed;
  write_file_atomically(options.out, writes_csv ? to_csv(*speed.report) : export_view(model, request));
  std::cout << "Wrote " << options.out << '\n';
}

}  // namespace

void add_export_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand(
      "export", "Draw one view into a PNG, SVG or PDF file (measured numbers also into CSV); no display needed");
  auto options = std::make_shared<ExportOptions>();
  options->compute.add_to(*command);
  command
      ->add_option("--view", options->view,
                   "heads, head, row, token, kv, timing, window; or measured now: speed, ladder, roofline, growth, devices")
      ->check(CLI::IsMember(export_views()))
      ->capture_default_str()
      ->type_name("VIEW");
  command
      ->add_option("--tile", options->tile,
                   "A part of one head (--view head or window), exact however long the text: LAYER.HEAD, queries, keys, "
                   "counted from 0, both ends among them, e.g. 3.7:0-1023,0-1023")
      ->type_name("L.H:R0-R1,C0-C1");
  command->add_option("--size", options->size, "Logical pixels")->capture_default_str()->type_name("WxH");
  command->add_option("--scale", options->scale, "Pixels of a PNG for each logical one")
      ->check(CLI::Range(0.25, 8.0))
      ->capture_default_str()
      ->type_name("S");
  command->add_option("--theme", options->theme, "dark or light")
      ->check(CLI::IsMember({"dark", "light"}))
      ->capture_default_str()
      ->type_name("T");
  command
      ->add_option("--out", options->out,
                   "The file to write; its ending chooses the format: .png, .svg, .pdf; .csv for what is measured")
      ->required()
      ->type_name("FILE");
  command->add_flag("--times", options->with_times, "Show measured times instead of computed work; each run then differs");
  command->footer(
      "The picture is the window's own, and the same bytes each time: where the window shows measured times, this shows the "
      "computed work. The speed views are measured as they are drawn, for as many tokens as view.speed_tokens says and\n"
      "view.speed_seconds a figure.\n"
      "Examples:\n"
      "  headroom export --view heads --size 1600x900 --theme light --out heads.pdf\n"
      "  headroom export --session lesson.headroom.json --view window --scale 2 --out window.png\n"
      "  headroom export --view head --set view.head=3.7 --text \"the dogs that the cat chased were loud\" --out head.svg\n"
      "  headroom export --text-file long.txt --view head --tile 0.3:0-1023,0-1023 --size 1600x1200 --out head.png\n"
      "  headroom export --view ladder --set view.speed_tokens=1024 --out ladder.pdf\n"
      "  headroom export --view speed --out speed.csv");
  command->callback([&line, options] {
    line.run = [options](const std::filesystem::path& assets) {
      export_now(*options, assets);
      return 0;
    };
  });
}

}  // namespace headroom
