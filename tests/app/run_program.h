#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace headroom {

struct Finished {
  int status = -1;  ///< exit status, or 128 + signal
  std::string out, err;
};

/// Runs the built program to its end with a HOME of its own. `environment` is added; an empty value unsets.
Finished run_program(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment = {});

/// A fresh folder for one test, removed with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string file_bytes(const std::filesystem::path& path);
void write_bytes(const std::filesystem::path& path, const std::string& bytes);

}  // namespace headroom
