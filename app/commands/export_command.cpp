#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>

#include "app/commands/command.h"
#include "app/commands/compute_options.h"
#include "app/commands/cost_now.h"
#include "app/commands/decode_now.h"
#include "app/commands/tile_option.h"
#include "app/commands/token_count.h"
#include "app/window/export.h"
#include "core/formats/file.h"
#include "core/runs/recorded.h"
#include "core/session/cards.h"
#include "core/session/reduce.h"
#include "core/training/network.h"

namespace headroom {

namespace {

struct ExportOptions {
  ComputeOptions compute;
  std::string view = "heads", size = "1600x900", theme = "dark", out;
  std::optional<std::string> tile;
  std::optional<std::string> recipe, config, tokens;
  std::optional<std::string> card, beside;
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

/// Whether the picture shows a run, which then is trained now.
bool request_trains(const ExportOptions& options, const Session& session) {
  return options.view == "train" || (options.view == "window" && session.view.stage == StageView::kTrain);
}

/// The session with the plan that the options name.
Session with_plan(const ExportOptions& options, Session session) {
  if (options.recipe && options.config) throw UsageError("--recipe and --config cannot both be given");
  TrainPlan plan = session.train;
  if (options.recipe) plan = find_recipe(*options.recipe).plan;
  if (options.config) {
    ParsedPlan parsed = load_plan(*options.config);
    for (const std::string& notice : parsed.notices)
      print_note(notice);
    plan = std::move(parsed.plan);
  }
  if (options.tokens) plan.tokens = parse_token_count(*options.tokens, "--tokens");
  Reduced reduced = reduce(session, TrainPlanSet{std::move(plan)});
  if (!reduced.notice.empty()) print_note(reduced.notice);
  return std::move(reduced.session);
}

/// The session with the cards that the options name: of the library by their ids, of files by their paths.
Session with_cards(const ExportOptions& options, Session session) {
  if (!options.card && !options.beside) return session;
  const auto named = [](const std::string& name) {
    std::error_code error;
    if (std::filesystem::exists(name, error)) return std::filesystem::absolute(name, error).lexically_normal().string();
    return name.empty() || name.find('/') != std::string::npos ? name : kLibraryPrefix + name;
  };
  if (is_cost_view(options.view)) {  // the second plan is the first one's of another model
    if (options.card) session.cost.card = named(*options.card);
    if (options.beside) {
      session.beside = session.cost;
      session.beside.card = named(*options.beside);
      session.view.cost_beside = CostBeside::kPlan;
    }
    return session;
  }
  const std::string shown = options.card ? named(*options.card) : session.view.card;
  const std::string beside = options.beside ? named(*options.beside) : session.view.card_beside;
  return reduce(session, CardChosen{shown, beside}).session;
}

/// Reads the cards now. Errors  Error when one of them cannot be read at all.
CardState cards_now(const Session& session, const std::filesystem::path& assets) {
  CardState cards = read_cards(session, assets);
  for (const auto& shown : {cards.shown, cards.beside})
    if (shown && !shown->problem.empty() && !shown->tensors) throw Error(shown->problem);
  return cards;
}

/// Trains the session's plan now, untimed, and shows what the session looks at.
TrainInput train_now(const Session& session, const std::filesystem::path& assets) {
  const TrainView& view = session.train_view;
  RecordOptions options;
  options.assets = assets;
  options.look = {.sentence = view.sentence,
                  .at = view.at,
                  .compared = view.compared,
                  .head = view.stack == AttentionStack::kSelf ? view.head : std::nullopt};
  const RecordedRun run = record_run(session.train, options);
  return {.report = run.report, .frame = run.frames.shown, .compared = run.frames.compared};
}

void export_now(const ExportOptions& options, const std::filesystem::path& assets) {
  ExportRequest request;
  request.view = options.view;
  const auto section = speed_section_of(options.view);
  const bool writes_csv = is_csv(options.out);
  if (writes_csv && !is_csv_view(options.view)) {
    std::string names;
    for (const std::string& view : export_views())
      if (is_csv_view(view)) names += (names.empty() ? "" : ", ") + view;
    throw UsageError("--out " + escape_for_display(options.out) + ": numbers for a .csv file have only the views " + names);
  }
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

  Session session = with_cards(options, with_plan(options, options.compute.session(assets)));
  if (options.view == "card") {  // computed from configurations alone
    AppModel model = export_model(session, nullptr);
    model.cards = cards_now(session, assets);
    write_file_atomically(options.out, export_view(model, request));
    std::cout << "Wrote " << options.out << '\n';
    return;
  }
  if (is_cost_view(options.view)) {  // likewise
    AppModel model = export_model(session, nullptr);
    model.costs = costs_now(session, assets);
    write_file_atomically(options.out, writes_csv ? export_csv(model, options.view) : export_view(model, request));
    std::cout << "Wrote " << options.out << '\n';
    return;
  }
  const bool trains = request_trains(options, session);
  if (!trains && (options.recipe || options.config || options.tokens))
    throw UsageError(
        "--recipe, --config and --tokens say what is trained: they go with --view train, or with --view window of a session "
        "that shows the Train stage");
  ComputeRequest compute{assets};
  compute.needs_held_out_loss = request.view == "window";  // the rail shows it
  LensState lens;
  if (request.view == "lens" || (request.view == "window" && session.view.bottom == BottomPanel::kLens)) compute.lens = &lens;
  auto snapshot = compute_now(session, compute);
  if (tile) {
    session = show_tile(session, *tile, HeadSize(*snapshot), std::ssize(snapshot->trace->layers));
  }
  SpeedState speed;
  if (section) speed = measure_speed_now(session, *snapshot, {assets, *section});
  if (!options.with_times) snapshot = without_times(snapshot);
  AppModel model = export_model(session, snapshot);
  model.speed = speed;
  model.lens = lens;
  if (session.view.stage == StageView::kCard) model.cards = cards_now(session, assets);
  if (session.view.stage == StageView::kCost) model.costs = costs_now(session, assets);
  if (trains) model.training.input = train_now(session, assets);
  auto decoded = decode_section_of(options.view);
  if (options.view == "window" && session.view.stage == StageView::kDecode) decoded = session.view.decode_section;
  if (decoded) {
    const auto times = options.with_times || writes_csv ? DecodeNow::Times::kMeasured : DecodeNow::Times::kNo;
    model.decode = decode_now(session, {assets, *decoded, times});
  }
  write_file_atomically(options.out, writes_csv ? export_csv(model, options.view) : export_view(model, request));
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
                   "heads, head, row, token, lens, write, kv, timing, card, cost, cost-arithmetic, window; trained now: train; generated now: decode; "
                   "simulated: batch; measured now: quality, speed, ladder, roofline, growth, devices")
      ->check(CLI::IsMember(export_views()))
      ->capture_default_str()
      ->type_name("VIEW");
  command
      ->add_option("--tile", options->tile,
                   "A part of one head (--view head or window), exact however long the text: LAYER.HEAD, queries, keys, "
                   "counted from 0, both ends among them, e.g. 3.7:0-1023,0-1023")
      ->type_name("L.H:R0-R1,C0-C1");
  command
      ->add_option("--card", options->card,
                   "Which model card --view card or window shows, or --view cost plans: a name of the library (llama-2-70b), a config.json, a folder")
      ->type_name("NAME|PATH");
  command->add_option("--beside", options->beside, "The card that it is compared with; of --view cost a second plan")->type_name("NAME|PATH");
  command->add_option("--recipe", options->recipe, "What --view train trains (headroom train --help lists the recipes)")
      ->type_name("NAME");
  command->add_option("--config", options->config, "The same from a saved plan")->type_name("FILE");
  command->add_option("--tokens", options->tokens, "How many tokens it trains on, e.g. 200k")->type_name("N");
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
      "view.speed_seconds a figure. --view decode generates decode.tokens tokens with the cache that decode.layout, decode.type, decode.eviction say.\n"
      "--view train trains the plan on one thread before it is drawn; train_view.at and "
      "train_view.head\n"
      "choose the time and the head.\n"
      "Examples:\n"
      "  headroom export --view heads --size 1600x900 --theme light --out heads.pdf\n"
      "  headroom export --session lesson.headroom.json --view window --scale 2 --out window.png\n"
      "  headroom export --view head --set view.head=3.1 --text \"the dogs that the cat chased were loud\" --out head.svg\n"
      "  headroom export --view lens --set view.query=4 --out lens.pdf\n"
      "  headroom export --view write --set write.tokens=12 --write --out written.png\n"
      "  headroom export --text-file long.txt --view head --tile 0.3:0-1023,0-1023 --size 1600x1200 --out head.png\n"
      "  headroom export --view decode --set decode.layout=paged --set decode.tokens=40 --times --out decode.png\n"
      "  headroom export --view ladder --set view.speed_tokens=1024 --out ladder.pdf\n"
      "  headroom export --view train --recipe agreement --tokens 200k --out train.png\n"
      "  headroom export --view card --card llama-2-70b --set view.kv_type=float16 --out card.pdf\n"
      "  headroom export --view speed --out speed.csv");
  command->callback([&line, options] {
    line.run = [options](const std::filesystem::path& assets) {
      export_now(*options, assets);
      return 0;
    };
  });
}

}  // namespace headroom
