#include "core/session/session_json.h"

#include <algorithm>
#include <set>

#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/session/reduce.h"
#include "core/session/session_fields.h"
#include "core/session/validity.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxDepth = 16;
/// A text may take six characters a byte where it is escaped.
constexpr std::uint64_t kMaxSessionBytes = (8u << 20) + 6 * kMaxTextBytes;

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', begin)) {
    parts.push_back(path.substr(begin, dot - begin));
    begin = dot + 1;
  }
  parts.push_back(path.substr(begin));
  return parts;
}

SessionJson& place(SessionJson& root, const std::string& path) {
  SessionJson* at = &root;
  for (const std::string& part : split(path))
    at = &(*at)[part];
  return *at;
}

const SessionJson* find(const SessionJson& root, const std::string& path) {
  const SessionJson* at = &root;
  for (const std::string& part : split(path)) {
    if (!at->is_object()) return nullptr;
    const auto it = at->find(part);
    if (it == at->end()) return nullptr;
    at = &*it;
  }
  return at;
}

/// The value as one would quote it in a sentence, shortened.
std::string quoted(const SessionJson& json) {
  return escape_for_display(json.dump(-1, ' ', false, SessionJson::error_handler_t::replace), 60);
}

SessionJson parse(std::string_view text) {
  std::vector<std::set<std::string>> keys;
  std::string problem;
  const SessionJson::parser_callback_t check = [&](int depth, SessionJson::parse_event_t event, SessionJson& value) {
    if (!problem.empty()) return false;
    if (static_cast<std::size_t>(depth) > kMaxDepth) {
      problem = "The session's JSON is nested deeper than " + std::to_string(kMaxDepth) + " levels.";
      return false;
    }
    if (event == SessionJson::parse_event_t::object_start) keys.emplace_back();
    if (event == SessionJson::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == SessionJson::parse_event_t::key && !keys.empty()) {
      const std::string key = value.get<std::string>();
      if (!keys.back().insert(key).second) problem = "The session names the field \"" + escape_for_display(key, 60) + "\" twice.";
    }
    return problem.empty();
  };
  SessionJson root;
  try {
    root = SessionJson::parse(text.begin(), text.end(), check);
  } catch (const SessionJson::parse_error& error) {
    if (problem.empty()) {
      problem = "The session is not valid JSON: something else was expected at byte " + std::to_string(error.byte) + " of " +
                std::to_string(text.size()) + ".";
    }
  } catch (const SessionJson::exception&) {
    if (problem.empty()) problem = "The session is not valid JSON: it holds a number that is too large.";
  }
  if (!problem.empty()) throw Error(problem);
  if (!root.is_object()) throw Error("The session holds " + quoted(root) + "; it takes an object { … }.");
  return root;
}

void check_version(const SessionJson& root) {
  const auto it = root.find("version");
  if (it == root.end()) return;
  if (!it->is_number_integer() || (!it->is_number_unsigned() && it->get<std::int64_t>() < 1) || *it == 0) {
    throw Error("The session's version is " + quoted(*it) + "; it takes a whole number from 1.");
  }
  if (it->is_number_unsigned() && it->get<std::uint64_t>() > static_cast<std::uint64_t>(kSessionVersion)) {
    throw Error("The session was written by a newer version of Headroom (session version " + quoted(*it) +
                "; this one reads up to " + std::to_string(kSessionVersion) + ").");
  }
}

[[noreturn]] void wrong_field(const std::string& path, const SessionJson& value, const std::string& right) {
  throw Error("The session's field " + path + " holds " + quoted(value) + "; it takes " + right + ".");
}

void read_field(const SessionField& field, const SessionJson& root, Session& session) {
  if (field.is_text) {
    const std::string bytes_path = field.path + "_bytes";
    if (const SessionJson* bytes = find(root, bytes_path)) {
      try {
        if (!bytes->is_string()) throw Error("a text of hexadecimal digits");
        field.put(session, SessionJson(from_hex(bytes->get_ref<const std::string&>())));
      } catch (const Error& error) {
        wrong_field(bytes_path, *bytes, error.what());
      }
      return;
    }
  }
  const SessionJson* value = find(root, field.path);
  if (!value) return;
  try {
    field.put(session, *value);
  } catch (const Error& error) {
    wrong_field(field.path, *value, error.what());
  }
}

/// The objects that fields lie in: "compute", "compute.trained", ...
const std::set<std::string>& groups() {
  static const std::set<std::string> paths = [] {
    std::set<std::string> all;
    for (const SessionField& field : session_fields()) {
      for (std::size_t dot = field.path.find('.'); dot != std::string::npos; dot = field.path.find('.', dot + 1))
        all.insert(field.path.substr(0, dot));
    }
    return all;
  }();
  return paths;
}

/// Every path that a file may hold, groups included.
const std::set<std::string>& known_paths() {
  static const std::set<std::string> paths = [] {
    std::set<std::string> all = groups();
    all.insert({"version", "train"});
    for (const SessionField& field : session_fields()) {
      all.insert(field.path);
      if (field.is_text) all.insert(field.path + "_bytes");
    }
    return all;
  }();
  return paths;
}

/// The plan's own reader says what is wrong with it.
ParsedPlan parse_plan(const SessionJson& json) {
  try {
    return plan_from_json(json.dump());
  } catch (const Error& error) {
    throw Error(std::string("In train of the session: ") + error.what());
  }
}

void report_unknown(const SessionJson& object, const std::string& prefix, std::vector<std::string>& notices) {
  constexpr std::size_t kMaxReported = 20;
  for (const auto& [key, value] : object.items()) {
    const std::string path = prefix + key;
    if (groups().contains(path)) {
      if (!value.is_object())
        throw Error("The session's field " + path + " holds " + quoted(value) + "; it takes an object { … }.");
      report_unknown(value, path + ".", notices);
    } else if ((key.find('.') != std::string::npos || !known_paths().contains(path)) && notices.size() < kMaxReported) {
      notices.push_back("The field " + escape_for_display(path, 100) + " is not known and was left out.");
    }
  }
}

}  // namespace

std::string session_to_json(const Session& session) {
  SessionJson root;
  root["version"] = kSessionVersion;
  for (const SessionField& field : session_fields()) {
    SessionJson value = field.get(session);
    if (field.is_text && find_invalid_utf8(value.get_ref<const std::string&>())) {
      place(root, field.path + "_bytes") = to_hex(value.get_ref<const std::string&>());
    } else {
      place(root, field.path) = std::move(value);
    }
  }
  root["train"] = SessionJson::parse(plan_to_json(session.train));
  return root.dump(2) + "\n";
}

ParsedSession session_from_json(std::string_view json) {
  if (json.size() > kMaxSessionBytes) {
    throw Error("The session is " + std::to_string(json.size()) + " bytes long; at most " + std::to_string(kMaxSessionBytes) +
                " would be right.");
  }
  const SessionJson root = parse(json);
  check_version(root);
  ParsedSession parsed;
  report_unknown(root, "", parsed.notices);
  Session asked;
  Compute& compute = asked.compute;
  for (const SessionField& field : session_fields()) {
    read_field(field, root, asked);
    if (field.path == "compute.trained.max_positions") {
      // What the file does not say about h, kv_heads and d_model is as trained.
      compute.n_heads = compute.trained.n_heads;
      compute.n_kv_heads = compute.trained.n_kv_heads;
      compute.d_model = compute.trained.d_model;
    }
  }
  if (const SessionJson* train = find(root, "train")) {
    ParsedPlan plan = parse_plan(*train);
    asked.train = std::move(plan.plan);
    for (std::string& notice : plan.notices)
      parsed.notices.push_back(std::move(notice));
  }
  if (const auto problem = shape_problem(compute.trained)) throw Error("In compute.trained of the session: " + *problem);
  Reduced reduced = reduce(Session{}, SessionReplaced{std::move(asked)});
  parsed.session = std::move(reduced.session);
  if (!reduced.notice.empty()) parsed.notices.push_back(std::move(reduced.notice));
  return parsed;
}

ParsedSession load_session(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kMaxSessionBytes);
  try {
    return session_from_json(text);
  } catch (const Error& error) {
    throw Error(escape_for_display(path.string(), 300) + ": " + error.what());
  }
}

void save_session(const Session& session, const std::filesystem::path& path) {
  write_file_atomically(path, session_to_json(session));
}

}  // namespace headroom
