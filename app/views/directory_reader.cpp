#include "app/views/directory_reader.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace headroom {

Listing list_directory(const std::filesystem::path& folder) {
  Listing listing{.folder = folder, .entries = {}, .problem = {}};
  std::error_code error;
  std::filesystem::directory_iterator it(folder, std::filesystem::directory_options::skip_permission_denied, error);
  if (error) {
    listing.problem = "This folder cannot be listed: " + error.message() + ".";
    return listing;
  }
  for (const std::filesystem::directory_iterator end; it != end; it.increment(error)) {
    if (error) break;
    DirectoryEntry entry{.name = it->path().filename().string()};
    if (entry.name.starts_with('.')) continue;
    std::error_code ignored;
    entry.is_folder = it->is_directory(ignored);
    if (entry.is_folder) entry.is_model = std::filesystem::is_regular_file(it->path() / "config.json", ignored);
    listing.entries.push_back(std::move(entry));
    if (listing.entries.size() >= kMaxEntries) {
      listing.problem = "Only the first " + std::to_string(kMaxEntries) + " entries are shown.";
      break;
    }
  }
  std::sort(listing.entries.begin(), listing.entries.end(), [](const DirectoryEntry& a, const DirectoryEntry& b) {
    return a.is_folder != b.is_folder ? a.is_folder : a.name < b.name;
  });
  return listing;
}

DirectoryReader::~DirectoryReader() {
  thread_.request_stop();
  changed_.notify_all();
}

void DirectoryReader::request(std::filesystem::path folder) {
  const std::lock_guard lock(mutex_);
  wanted_ = std::move(folder);
  done_.reset();
  if (!thread_.joinable()) thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  changed_.notify_all();
}

bool DirectoryReader::is_busy() const {
  const std::lock_guard lock(mutex_);
  return wanted_.has_value() || is_reading_ || done_.has_value();
}

std::optional<Listing> DirectoryReader::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, std::nullopt);
}

void DirectoryReader::run(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return wanted_.has_value(); })) {
    const std::filesystem::path folder = *std::exchange(wanted_, std::nullopt);
    is_reading_ = true;
    lock.unlock();
    Listing listing = list_directory(folder);
    lock.lock();
    is_reading_ = false;
    if (!wanted_) done_ = std::move(listing);
  }
}

}  // namespace headroom
