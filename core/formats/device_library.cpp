#include "core/formats/device_library.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <tuple>

#include "core/formats/file.h"
#include "core/formats/json_value.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint64_t kMaxDeviceBytes = 64u << 10;
constexpr double kGibibyte = 1073741824.0;

class DeviceReader {
 public:
  DeviceReader(const JsonValue& root, std::string where) : root_(root), where_(std::move(where)) {
    if (!root.is(JsonValue::Type::kObject)) throw Error(where_ + ": must be an object, but it is " + describe(root));
  }

  std::string text(const char* name) const {
    const JsonValue* value = root_.find_set(name);
    if (value == nullptr || !value->is(JsonValue::Type::kString) || value->string.empty())
      throw Error(where_ + ": " + name + " must be a text");
    return value->string;
  }
  /// A positive number; 0 where it may be absent and is.
  enum class Need { kMust, kMay };
  double number(const JsonValue& parent, const std::string& name, Need need) const {
    const JsonValue* value = parent.find_set(name);
    if (value == nullptr && need == Need::kMay) return 0;
    if (value == nullptr || !value->is_number() || !(value->number() > 0) || value->number() > 1e9)
      throw Error(where_ + ": " + name + " must be a number above 0 and up to 1e9" +
                  (value == nullptr ? "" : ", but it is " + describe(*value)));
    return value->number();
  }
  double number(const char* name, Need need) const { return number(root_, name, need); }

  Device read() const {
    Device device;
    device.name = text("name");
    device.source = text("source");
    if (root_.find_set("note") != nullptr) device.note = text("note");
    device.memory_bytes = number("memory_gib", Need::kMust) * kGibibyte;
    device.bandwidth = number("bandwidth_gb_s", Need::kMust) * 1e9;
    device.link = number("link_gb_s", Need::kMay) * 1e9;
    const JsonValue* rates = root_.find_set("tflops");
    if (rates == nullptr || !rates->is(JsonValue::Type::kObject)) throw Error(where_ + ": tflops must be an object");
    device.flops_float32 = number(*rates, "float32", Need::kMust) * 1e12;
    device.flops_16 = number(*rates, "float16", Need::kMust) * 1e12;
    device.flops_int8 = number(*rates, "int8", Need::kMay) * 1e12;
    return device;
  }

 private:
  const JsonValue& root_;
  std::string where_;
};

}  // namespace

Device read_device_file(const std::filesystem::path& path) {
  const JsonDocument document = read_json_file(path, kMaxDeviceBytes);
  Device device = DeviceReader(document.root, shown_path(path)).read();
  device.id = path.stem().string();
  return device;
}

std::vector<Device> read_device_library(const std::filesystem::path& folder) {
  std::vector<Device> devices;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".json") devices.push_back(read_device_file(entry.path()));
  if (error) throw Error(shown_path(folder) + ": the devices cannot be listed (" + error.message() + ")");
  std::sort(devices.begin(), devices.end(),
            [](const Device& a, const Device& b) { return std::tie(a.name, a.id) < std::tie(b.name, b.id); });
  return devices;
}

}  // namespace headroom
