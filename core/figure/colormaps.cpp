#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "core/figure/color.h"

namespace headroom {
namespace {

// Every eighth colour of the published 256-step tables; the steps between are interpolated (largest error: viridis and magma 2 / 255,
// cividis 6 / 255).
// Source  viridis, magma: van der Walt and Smith 2015, "A better default colormap for Matplotlib", CC0.
//         cividis: Nuñez, Anderton, Renslow 2018, doi:10.1371/journal.pone.0199239.
using ControlColors = std::array<std::uint32_t, 33>;
constexpr ControlColors kViridis{
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453781, 0x424086, 0x3e4989, 0x3b528b, 0x375b8d, 0x33638d,
    0x2f6b8e, 0x2c728e, 0x297a8e, 0x26828e, 0x23898e, 0x21918c, 0x1f978b, 0x1f9f88, 0x21a685, 0x27ad81, 0x31b57b,
    0x3dbc74, 0x4cc26c, 0x5cc863, 0x6ece58, 0x81d34d, 0x95d840, 0xaadc32, 0xc0df25, 0xd5e21a, 0xeae51a, 0xfde725,
};
constexpr ControlColors kMagma{
    0x000004, 0x030312, 0x0a0822, 0x130d34, 0x1d1147, 0x29115a, 0x36106b, 0x440f76, 0x51127c, 0x5d177f, 0x6a1c81,
    0x762181, 0x832681, 0x902a81, 0x9c2e7f, 0xaa337d, 0xb73779, 0xc23b75, 0xcf4070, 0xdb476a, 0xe55064, 0xee5b5e,
    0xf4695c, 0xf9785d, 0xfb8761, 0xfd9668, 0xfea571, 0xfeb47b, 0xfec287, 0xfed194, 0xfde0a1, 0xfceeb0, 0xfcfdbf,
};
constexpr ControlColors kCividis{
    0x00224e, 0x00285b, 0x002e6a, 0x053371, 0x1a386f, 0x273e6e, 0x32436d, 0x3b496c, 0x434e6c, 0x4b546c, 0x535a6d,
    0x5a5f6e, 0x61656f, 0x686a71, 0x6f7073, 0x767676, 0x7d7c78, 0x838179, 0x8b8778, 0x928d78, 0x9a9376, 0xa29975,
    0xaaa073, 0xb3a670, 0xbbad6d, 0xc3b369, 0xccba64, 0xd4c15f, 0xddc858, 0xe6d051, 0xefd748, 0xf8df3c, 0xfee838,
};

using Table = std::array<Color, 256>;

Color unpack(std::uint32_t hex) {
  return {static_cast<std::uint8_t>(hex >> 16U), static_cast<std::uint8_t>(hex >> 8U), static_cast<std::uint8_t>(hex), 255};
}

Table interpolated(const ControlColors& controls) {
  // Control i is the published table's entry round(i * 255 / 32).
  const auto position = [](std::size_t i) { return (i * 255 + 16) / 32; };
  Table table{};
  for (std::size_t i = 0; i + 1 < controls.size(); ++i) {
    const std::size_t begin = position(i), end = position(i + 1);
    for (std::size_t step = begin; step <= end; ++step) {
      const double share = static_cast<double>(step - begin) / static_cast<double>(end - begin);
      table[step] = mix(unpack(controls[i]), unpack(controls[i + 1]), share);
    }
  }
  return table;
}

/// Lightness L* (CIE 1976) rises evenly from 0 to 100.
Table grey() {
  Table table{};
  for (std::size_t step = 0; step < table.size(); ++step) {
    const double lightness = static_cast<double>(step) * 100 / 255;
    const double y = lightness > 8 ? std::pow((lightness + 16) / 116, 3) : lightness * 27 / 24389;
    const double s = y <= 0.0031308 ? 12.92 * y : 1.055 * std::pow(y, 1 / 2.4) - 0.055;
    const auto level = static_cast<std::uint8_t>(std::lround(std::clamp(s, 0.0, 1.0) * 255));
    table[step] = {level, level, level, 255};
  }
  return table;
}

const Table& table_of(ColorMapName map) {
  static const Table viridis = interpolated(kViridis), magma = interpolated(kMagma), cividis = interpolated(kCividis),
                     greys = grey();
  switch (map) {
    case ColorMapName::kViridis:
      return viridis;
    case ColorMapName::kMagma:
      return magma;
    case ColorMapName::kCividis:
      return cividis;
    case ColorMapName::kGrey:
      return greys;
  }
  return viridis;
}

}  // namespace

Color colormap_color(ColorMapName map, double share) {
  const double clamped = std::isnan(share) ? 0 : std::clamp(share, 0.0, 1.0);
  return table_of(map)[static_cast<std::size_t>(std::lround(clamped * 255))];
}

const char* colormap_name(ColorMapName map) {
  switch (map) {
    case ColorMapName::kViridis:
      return "viridis";
    case ColorMapName::kMagma:
      return "magma";
    case ColorMapName::kCividis:
      return "cividis";
    case ColorMapName::kGrey:
      return "grey";
  }
  return "";
}

}  // namespace headroom
