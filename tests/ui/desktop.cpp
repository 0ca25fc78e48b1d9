#include "tests/ui/desktop.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace headroom::ui {

namespace {

using Clock = std::chrono::steady_clock;
constexpr double kPatience = 20;  // seconds; a busy machine with software OpenGL is slow

void sleep_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

std::vector<std::string> merged(const std::map<std::string, std::string>& added) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto at = text.find('=');
    all[text.substr(0, at)] = text.substr(at + 1);
  }
  for (const auto& [name, value] : added) {
    if (value.empty()) {
      all.erase(name);
    } else {
      all[name] = value;
    }
  }
  std::vector<std::string> rows;
  for (const auto& [name, value] : all)
    rows.push_back(name + "=" + value);
  return rows;
}

std::vector<char*> pointers(std::vector<std::string>& rows) {
  std::vector<char*> result;
  for (std::string& row : rows)
    result.push_back(row.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment, int keep_open_fd) {
  std::vector<std::string> arguments = command, variables = merged(environment);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (keep_open_fd >= 0) posix_spawn_file_actions_adddup2(&actions, keep_open_fd, keep_open_fd);  // clears close-on-exec
  const int error =
      posix_spawnp(&pid_, arguments[0].c_str(), &actions, nullptr, pointers(arguments).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(command[0] + " could not be started: " + std::generic_category().message(error));
}

Process::~Process() {
  if (!is_running()) return;
  kill(pid_, SIGTERM);
  if (!wait(5)) {
    kill(pid_, SIGKILL);
    wait(5);
  }
}

bool Process::is_running() { return !wait(0); }

long Process::cpu_ticks() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::istringstream fields(text.substr(text.rfind(')') + 1));  // what follows the command's name: field 3 and on
  std::string skipped;
  for (int field = 3; field < 14; ++field)
    fields >> skipped;
  long user = 0, system = 0;
  fields >> user >> system;
  return user + system;
}

std::optional<int> Process::wait(double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (!status_) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (Clock::now() >= end) {
      return std::nullopt;
    } else {
      sleep_for(0.01);
    }
  }
  return status_;
}

std::string output_of(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  std::vector<std::string> arguments = command, variables = merged(environment);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t pid = -1;
  const int error =
      posix_spawnp(&pid, arguments[0].c_str(), &actions, nullptr, pointers(arguments).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  if (error == 0) {
    char buffer[4096];
    ssize_t n = 0;
    while ((n = read(ends[0], buffer, sizeof buffer)) > 0)
      text.append(buffer, static_cast<std::size_t>(n));
    waitpid(pid, nullptr, 0);
  }
  close(ends[0]);
  return text;
}

std::string Desktop::what_is_missing() {
  for (const char* program : {"Xvfb", "xdotool"}) {
    if (output_of({"sh", "-c", std::string("command -v ") + program}).empty()) return std::string(program) + " is not installed";
  }
  return "";
}

Desktop::Desktop(const std::filesystem::path& home, const std::vector<std::string>& arguments) : map_(home / "widgets.json") {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  display_ = std::make_unique<Process>(
      std::vector<std::string>{"Xvfb", "-displayfd", std::to_string(ends[1]), "-screen", "0", "1600x900x24", "-nolisten", "tcp"},
      std::map<std::string, std::string>{}, ends[1]);
  close(ends[1]);
  std::string number;
  pollfd waiting{ends[0], POLLIN, 0};
  char c = 0;
  while (poll(&waiting, 1, static_cast<int>(kPatience * 1000)) > 0 && read(ends[0], &c, 1) == 1 && c != '\n')
    number += c;
  close(ends[0]);
  if (number.empty()) throw std::runtime_error("Xvfb did not start");

  environment_ = {{"DISPLAY", ":" + number}, {"WAYLAND_DISPLAY", ""},        {"HOME", home.string()},
                  {"XDG_CONFIG_HOME", ""},   {"XDG_STATE_HOME", ""},         {"XDG_CACHE_HOME", ""},
                  {"XDG_DATA_HOME", ""},     {"LIBGL_ALWAYS_SOFTWARE", "1"}, {"HEADROOM_WIDGET_MAP", map_.string()}};
  std::vector<std::string> command{HEADROOM_BINARY_DIR "/headroom"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  program_ = std::make_unique<Process>(command, environment_);
  until("the window's first frame", [&] { return !widgets().empty(); });
  // There is no window manager, so the keyboard has to be given to the window.
  std::string window;
  until("the window on the display", [&] {
    window = output_of({"xdotool", "search", "--onlyvisible", "--name", "Headroom"}, environment_);
    return !window.empty();
  });
  output_of({"xdotool", "windowfocus", "--sync", window.substr(0, window.find('\n'))}, environment_);
  pause(0.2);
}

std::map<std::string, Box> Desktop::widgets() {
  std::ifstream file(map_);
  const auto json = nlohmann::json::parse(file, nullptr, false);
  std::map<std::string, Box> boxes;
  if (!json.is_object()) return boxes;
  for (const auto& [name, place] : json.items()) {
    if (place.is_array() && place.size() == 4) boxes[name] = {place[0], place[1], place[2], place[3]};
  }
  return boxes;
}

std::vector<std::string> Desktop::names() {
  std::vector<std::string> all;
  for (const auto& [name, box] : widgets())
    all.push_back(name);
  return all;
}

bool Desktop::has(const std::string& widget) { return widgets().contains(widget); }

Box Desktop::box(const std::string& widget) {
  Box last, now;
  until("the widget " + widget, [&] {
    const auto boxes = widgets();
    const auto found = boxes.find(widget);
    if (found == boxes.end()) return false;
    last = now;
    now = found->second;
    return last.w > 0 && last.x == now.x && last.y == now.y && last.w == now.w && last.h == now.h;
  });
  return now;
}

void Desktop::hover(const std::string& widget) {
  const Box at = box(widget);
  output_of({"xdotool", "mousemove", std::to_string(std::lround(at.x + at.w / 2)), std::to_string(std::lround(at.y + at.h / 2))},
            environment_);
  pause(0.15);
}

void Desktop::click(const std::string& widget, const std::string& modifier) {
  hover(widget);
  if (!modifier.empty()) output_of({"xdotool", "keydown", modifier}, environment_);
  output_of({"xdotool", "mousedown", "1"}, environment_);
  pause(0.1);
  output_of({"xdotool", "mouseup", "1"}, environment_);
  pause(0.1);
  if (!modifier.empty()) output_of({"xdotool", "keyup", modifier}, environment_);
  pause(0.15);
}

void Desktop::drag(const std::string& widget, double from, double to) {
  const Box at = box(widget);
  const std::string y = std::to_string(std::lround(at.y + at.h / 2));
  const auto move = [&](double share) {
    output_of({"xdotool", "mousemove", std::to_string(std::lround(at.x + at.w * share)), y}, environment_);
    pause(0.08);
  };
  move(from);
  output_of({"xdotool", "mousedown", "1"}, environment_);
  pause(0.1);
  for (int step = 1; step <= 5; ++step)
    move(from + (to - from) * step / 5);
  output_of({"xdotool", "mouseup", "1"}, environment_);
  pause(0.15);
}

void Desktop::type(const std::string& text) {
  output_of({"xdotool", "type", "--delay", "25", "--", text}, environment_);
  pause(0.2);
}

void Desktop::key(const std::string& keys) {
  output_of({"xdotool", "keydown", keys}, environment_);
  pause(0.1);
  output_of({"xdotool", "keyup", keys}, environment_);
  pause(0.2);
}

void Desktop::pause(double seconds) { sleep_for(seconds); }

void Desktop::until(const std::string& what, const std::function<bool()>& condition) {
  const auto end = Clock::now() + std::chrono::duration<double>(kPatience);
  while (!condition()) {
    if (program_ && !program_->is_running()) {
      throw std::runtime_error("the program ended with " + std::to_string(*program_->wait(0)) + " while waiting for " + what);
    }
    if (Clock::now() > end) throw std::runtime_error("waited in vain for " + what);
    sleep_for(0.05);
  }
}

void Desktop::save_screenshot(const std::filesystem::path& png) {
  output_of({"import", "-window", "root", png.string()},
            environment_);  // ImageMagick, where it is installed: for a person who looks
}

}  // namespace headroom::ui
