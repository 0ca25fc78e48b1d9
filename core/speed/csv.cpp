#include <optional>
#include <string>
#include <vector>

#include "core/speed/report.h"
#include "core/speed/text.h"

namespace headroom {
namespace {

/// RFC 4180: quoted where it must be, quotes doubled.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text)
    quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string line(const std::vector<std::string>& fields) {
  std::string text;
  for (const std::string& one : fields)
    text += (&one == &fields.front() ? "" : ",") + field(one);
  return text + "\r\n";
}

std::string number_or_nothing(const std::optional<double>& value) { return value ? number(*value) : ""; }

/// A value with its unit, and where it comes from.
struct Value {
  std::string quantity;
  double value;
  const char* unit;
  const char* origin;  ///< "measured", "counted" (by the kernel as it ran), "fitted"
};

/// The long table: a line a value.
class LongTable {
 public:
  explicit LongTable(const MachineFacts& machine) : machine_(machine) {
    text_ = line({"part", "shape", "series", "tokens", "quantity", "value", "unit", "origin", "threads", "commit", "compiler",
                  "cpu", "simd", "gpu"});
  }

  struct Place {
    std::string part, shape, series;
    std::int64_t tokens;
    int threads;
  };
  void add(const Place& place, const std::vector<Value>& values) {
    for (const Value& value : values) {
      text_ += line({place.part, place.shape, place.series, std::to_string(place.tokens), value.quantity, number(value.value),
                     value.unit, value.origin, std::to_string(place.threads), machine_.commit, machine_.compiler, machine_.cpu,
                     machine_.simd, machine_.gpu});
    }
  }
  const std::string& text() const { return text_; }

 private:
  MachineFacts machine_;
  std::string text_;
};

void add_row(LongTable& table, const std::string& part, const SpeedShape& shape, const SpeedRow& row) {
  std::string series = row.backend + " " + row.storage;
  if (row.gbps && !row.limit.empty()) series += ", " + row.limit;
  std::vector<Value> values{{"time", row.ms, "ms", "measured"}, {"rate", row.gflops, "GFLOP/s", "measured"}};
  if (row.gbps) values.push_back({"reads of K and V", *row.gbps, "GB/s", "measured"});
  if (row.percent_of_limit) {
    values.push_back({"limit", row.limit_value, row.limit_unit.c_str(), "measured"});
    values.push_back({"share of the limit", *row.percent_of_limit, "%", "measured"});
  }
  table.add({part, speed_shape_text(shape), series, shape.config.seq_k, row.threads}, values);
}

void add_ladder(LongTable& table, const Ladder& ladder) {
  const std::string shape = speed_shape_text(ladder.shape);
  for (const LadderStep& step : ladder.steps) {
    table.add({"ladder", shape, step.name, ladder.shape.config.seq_k, ladder.threads},
              {{"time", step.ms, "ms", "measured"},
               {"times as fast as the first", step.ratio, "1", "measured"},
               {"work", step.flops, "FLOP", "counted"},
               {"moved by attention", step.bytes_moved, "B", "counted"},
               {"allocated by attention", step.bytes_allocated, "B", "counted"}});
  }
  table.add({"ladder", shape, "first three", ladder.shape.config.seq_k, ladder.threads},
            {{"largest difference of their outputs", ladder.largest_difference, "1", "measured"}});
}

void add_roofline(LongTable& table, const Roofline& roofline) {
  const std::string shape = speed_shape_text(roofline.shape);
  const std::int64_t tokens = roofline.shape.config.seq_k;
  for (const RooflineRoof& roof : roofline.roofs)
    table.add({"roofline", shape, roof.name, tokens, roofline.threads}, {{"roof", roof.value, roof.unit.c_str(), "measured"}});
  for (const RooflinePoint& point : roofline.points) {
    std::vector<Value> values{{"time", point.ms, "ms", "measured"},
                              {"work", point.flops, "FLOP", "counted"},
                              {"moved", point.bytes, "B", "counted"},
                              {"intensity", point.intensity, "FLOP/B", "counted"},
                              {"rate", point.gflops, "GFLOP/s", "measured"}};
    if (!point.roof.empty()) values.push_back({"share of the roof", point.percent_of_roof, "%", "measured"});
    table.add({"roofline", shape, point.kernel, tokens, point.threads}, values);
  }
}

void add_growth(LongTable& table, const Growth& growth) {
  for (const GrowthSeries& series : growth.series) {
    for (const GrowthPoint& point : series.points) {
      SpeedShape shape = growth.shape;
      shape.config.seq_q = shape.config.seq_k = point.n;
      table.add({"time over n", speed_shape_text(shape), series.backend, point.n, growth.threads},
                {{"time", point.ms, "ms", "measured"},
                 {"work", point.flops, "FLOP", "counted"},
                 {"moved", point.bytes_moved, "B", "counted"},
                 {"allocated", point.bytes_allocated, "B", "counted"}});
    }
    if (series.points.empty()) continue;
    const auto add_fit = [&](const char* what, const std::optional<PowerFit>& fit) {
      if (!fit) return;
      const std::string quantity = std::string("exponent of ") + what + " over the " + std::to_string(fit->n_points) + " longest";
      table.add({"time over n", "", series.backend, series.points.back().n, growth.threads},
                {{quantity, fit->exponent, "1", "fitted"}});
    };
    add_fit("time", series.time);
    add_fit("bytes moved", series.bytes_moved);
    add_fit("bytes allocated", series.bytes_allocated);
  }
}

}  // namespace

std::string to_csv(const SpeedReport& report) {
  LongTable table(report.machine);
  for (const SpeedRow& row : report.cases)
    add_row(table, "backends", report.shape, row);
  if (report.ladder) add_ladder(table, *report.ladder);
  if (report.roofline) add_roofline(table, *report.roofline);
  if (report.growth) add_growth(table, *report.growth);
  if (report.devices) {
    for (const auto& row : {report.devices->cpu, report.devices->gpu}) {
      if (row) add_row(table, "CPU and GPU", report.shape, *row);
    }
    if (report.devices->gpu) {
      table.add({"CPU and GPU", speed_shape_text(report.shape), "gl", report.shape.config.seq_k, report.devices->gpu->threads},
                {{"time with upload and read back", report.devices->gpu_call_ms, "ms", "measured"}});
    }
  }
  return table.text();
}

std::string to_csv(const std::vector<SpeedRow>& rows, const MachineFacts& machine) {
  std::string text = line({"case", "backend", "threads", "time [ms]", "rate [GFLOP/s]", "share of the limit [%]", "limit",
                           "limit [limit unit]", "limit unit", "storage", "K and V [GB/s]", "rounds", "clock",
                           "largest error against the reference [1]", "commit", "compiler", "cpu", "simd", "gpu"});
  for (const SpeedRow& row : rows) {
    text += line({row.name, row.backend, std::to_string(row.threads), number(row.ms), number(row.gflops),
                  number_or_nothing(row.percent_of_limit), row.limit, row.limit.empty() ? "" : number(row.limit_value),
                  row.limit_unit, row.storage, number_or_nothing(row.gbps), std::to_string(row.rounds), row.clock,
                  number(row.largest_error), machine.commit, machine.compiler, machine.cpu, machine.simd, machine.gpu});
  }
  return text;
}

}  // namespace headroom
