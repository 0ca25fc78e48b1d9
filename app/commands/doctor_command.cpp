#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/commands/command.h"
#include "app/painters/fonts.h"
#include "app/window/xdg.h"
#include "core/cost/kv_cache.h"
#include "core/gl/context.h"
#include "core/session/engine.h"
#include "core/tensor/machine.h"
#include "core/tensor/parallel.h"

namespace headroom {

namespace {

enum class State { kGood, kMissing };

/// One thing that was looked at: what was found, and what its lack costs.
struct Finding {
  std::string what, found, cost;
  State state = State::kGood;
};

class Examination {
 public:
  void good(std::string what, std::string found) { findings_.push_back({std::move(what), std::move(found), "", State::kGood}); }
  void missing(std::string what, std::string found, std::string cost) {
    findings_.push_back({std::move(what), std::move(found), std::move(cost), State::kMissing});
  }
  const std::vector<Finding>& findings() const { return findings_; }

 private:
  std::vector<Finding> findings_;
};

void examine_gpu(Examination& examination) {
  using Need = gl::OffscreenContext::Need;
  try {
    const auto context = gl::OffscreenContext::open(Need::kCompute43);
    const gl::DeviceFacts& facts = context->facts();
    examination.good("GPU", facts.renderer + " (" + facts.vendor + ")");
    examination.good("OpenGL", facts.version + ", GLSL " + facts.glsl_version);
    examination.good("OpenGL limits", bytes_text(facts.max_shared_bytes) + " shared memory, " +
                                          std::to_string(facts.max_invocations) + " invocations a group, " +
                                          bytes_text(facts.max_storage_block_bytes) + " a buffer, textures to " +
                                          std::to_string(facts.max_texture_size) + " px");
    if (facts.is_software) {
      examination.missing("hardware GPU", "OpenGL is drawn by software here",
                          "the backend `auto` computes on the CPU, which is faster");
    }
  } catch (const Error& error) {
    examination.missing("OpenGL 4.3", error.what(), "the CPU computes; the window needs OpenGL 3.3");
    try {
      examination.good("OpenGL 3.3", gl::OffscreenContext::open(Need::kDraw33)->facts().renderer);
    } catch (const Error& without) {
      examination.missing("OpenGL 3.3", without.what(),
                          "no window and no picture of the window; figures and all other commands work");
    }
  }
}

void examine_display(Examination& examination) {
  for (const char* name : {"WAYLAND_DISPLAY", "DISPLAY"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
      examination.good("display", std::string(name) + "=" + value);
      return;
    }
  }
  examination.missing("display", "neither DISPLAY nor WAYLAND_DISPLAY is set",
                      "no window; `headroom export --view window` draws it into a file");
}

void examine_processor(Examination& examination) {
  examination.good("SIMD", simd_name());
  examination.good("threads", std::to_string(ThreadPool().n_threads()));
}

void examine_fonts(Examination& examination) {
  const FontFiles& fonts = font_files();
  if (!fonts.sans.empty()) examination.good("text font", fonts.sans.string());
  if (!fonts.mono.empty()) examination.good("number font", fonts.mono.string());
  if (!fonts.fallbacks.empty()) examination.good("fonts for other scripts", std::to_string(fonts.fallbacks.size()));
  if (!fonts.note.empty()) examination.missing("fonts", fonts.note, "text looks different from the figures in the manual");
}

void examine_folders(Examination& examination, const std::filesystem::path& assets) {
  examination.good("assets", assets.string());
  const auto models = list_bundled_models(assets);
  std::string names;
  for (const auto& model : models)
    names += (names.empty() ? "" : ", ") + model.name;
  if (names.empty()) {
    examination.missing("bundled models", "none", "the window opens without a model; open a folder of your own");
  } else {
    examination.good("bundled models", names);
  }
  const UserFolders folders = user_folders();
  if (folders.config.empty()) {
    examination.missing("settings folder", "HOME is not set", "settings, recent files and the autosave are not kept");
    return;
  }
  examination.good("settings folder", folders.config.string());
  examination.good("state folder", folders.state.string());
}

void print_text(const Examination& examination) {
  std::cout << "headroom " HEADROOM_VERSION "\n";
  std::size_t width = 0;
  for (const auto& finding : examination.findings())
    width = std::max(width, finding.what.size());
  for (const auto& finding : examination.findings()) {
    std::cout << (finding.state == State::kGood ? "  ok       " : "  missing  ") << finding.what
              << std::string(width - finding.what.size() + 2, ' ') << finding.found << '\n';
    if (!finding.cost.empty()) std::cout << std::string(11 + width + 2, ' ') << "costs: " << finding.cost << '\n';
  }
}

void print_json(const Examination& examination) {
  nlohmann::ordered_json json;
  json["version"] = HEADROOM_VERSION;
  auto& rows = json["findings"] = nlohmann::ordered_json::array();
  for (const auto& finding : examination.findings()) {
    nlohmann::ordered_json row{{"what", finding.what}, {"is_good", finding.state == State::kGood}, {"found", finding.found}};
    if (!finding.cost.empty()) row["cost"] = finding.cost;
    rows.push_back(std::move(row));
  }
  std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

}  // namespace

void add_doctor_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand(
      "doctor", "Print what this machine has (GPU, OpenGL, SIMD, fonts, folders) and what each missing piece costs");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "Print JSON");
  command->footer("Example:\n  headroom doctor");
  command->callback([&line, as_json] {
    line.run = [as_json](const std::filesystem::path& assets) {
      Examination examination;
      examine_processor(examination);
      examine_gpu(examination);
      examine_display(examination);
      examine_fonts(examination);
      examine_folders(examination, assets);
      if (*as_json) {
        print_json(examination);
      } else {
        print_text(examination);
      }
      return 0;
    };
  });
}

}  // namespace headroom
