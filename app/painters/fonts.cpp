#include "app/painters/fonts.h"

#include <fontconfig/fontconfig.h>

#include <algorithm>
#include <memory>
#include <set>

namespace headroom {
namespace {

struct ConfigDeleter {
  void operator()(FcConfig* config) const { FcConfigDestroy(config); }
};
struct PatternDeleter {
  void operator()(FcPattern* pattern) const { FcPatternDestroy(pattern); }
};
struct FontSetDeleter {
  void operator()(FcFontSet* set) const { FcFontSetDestroy(set); }
};
using ConfigPtr = std::unique_ptr<FcConfig, ConfigDeleter>;
using PatternPtr = std::unique_ptr<FcPattern, PatternDeleter>;
using FontSetPtr = std::unique_ptr<FcFontSet, FontSetDeleter>;

const FcChar8* as_fc(const char* text) { return static_cast<const FcChar8*>(static_cast<const void*>(text)); }
std::string as_text(const FcChar8* text) { return static_cast<const char*>(static_cast<const void*>(text)); }

struct Wanted {
  const char* family;
  int weight;
};

/// The upright file of exactly this family and weight; FcFontMatch alone would answer with some other family.
std::filesystem::path find_file(FcConfig* config, const Wanted& wanted) {
  const PatternPtr pattern(FcPatternCreate());
  FcPatternAddString(pattern.get(), FC_FAMILY, as_fc(wanted.family));
  FcPatternAddInteger(pattern.get(), FC_WEIGHT, wanted.weight);
  FcPatternAddInteger(pattern.get(), FC_SLANT, FC_SLANT_ROMAN);
  FcPatternAddBool(pattern.get(), FC_SCALABLE, FcTrue);
  FcConfigSubstitute(config, pattern.get(), FcMatchPattern);
  FcDefaultSubstitute(pattern.get());
  FcResult result = FcResultNoMatch;
  const PatternPtr match(FcFontMatch(config, pattern.get(), &result));
  if (match == nullptr) return {};
  bool is_family = false;
  FcChar8* family = nullptr;
  for (int i = 0; FcPatternGetString(match.get(), FC_FAMILY, i, &family) == FcResultMatch; ++i)
    is_family |= as_text(family) == wanted.family;
  int weight = 0;
  FcPatternGetInteger(match.get(), FC_WEIGHT, 0, &weight);
  FcChar8* file = nullptr;
  if (!is_family || weight != wanted.weight || FcPatternGetString(match.get(), FC_FILE, 0, &file) != FcResultMatch) return {};
  return as_text(file);
}

std::filesystem::path find_first(FcConfig* config, std::initializer_list<Wanted> candidates) {
  for (const Wanted& wanted : candidates) {
    std::filesystem::path path = find_file(config, wanted);
    if (!path.empty()) return path;
  }
  return {};
}

/// Files in fontconfig's order that together cover every character that this machine can draw in outlines.
std::vector<std::filesystem::path> find_fallbacks(FcConfig* config, const std::set<std::filesystem::path>& taken) {
  constexpr std::size_t kMaxFallbacks = 24;
  const PatternPtr pattern(FcPatternCreate());
  FcPatternAddString(pattern.get(), FC_FAMILY, as_fc("DejaVu Sans"));
  FcPatternAddString(pattern.get(), FC_FAMILY, as_fc("Noto Sans"));
  FcPatternAddString(pattern.get(), FC_FAMILY, as_fc("sans-serif"));
  FcPatternAddBool(pattern.get(), FC_SCALABLE, FcTrue);
  FcConfigSubstitute(config, pattern.get(), FcMatchPattern);
  FcDefaultSubstitute(pattern.get());
  FcResult result = FcResultNoMatch;
  const FontSetPtr sorted(FcFontSort(config, pattern.get(), FcTrue, nullptr, &result));
  std::vector<std::filesystem::path> files;
  if (sorted == nullptr) return files;
  std::set<std::filesystem::path> seen = taken;
  for (int i = 0; i < sorted->nfont && files.size() < kMaxFallbacks; ++i) {
    FcPattern* font = sorted->fonts[i];
    FcBool is_scalable = FcFalse, has_color = FcFalse;
    FcPatternGetBool(font, FC_SCALABLE, 0, &is_scalable);
    FcPatternGetBool(font, FC_COLOR, 0, &has_color);  // colour emoji are bitmaps, which no painter here draws
    FcChar8* file = nullptr;
    if (is_scalable == FcFalse || has_color == FcTrue || FcPatternGetString(font, FC_FILE, 0, &file) != FcResultMatch) continue;
    std::filesystem::path path = as_text(file);
    if (seen.insert(path).second) files.push_back(std::move(path));
  }
  return files;
}

std::string describe(const FontFiles& files, bool has_inter, bool has_jetbrains) {
  if (files.sans.empty()) return "No font was found, so pictures have no text; install fonts-inter and fonts-jetbrains-mono.";
  const std::string instead = " is drawn instead; install ";
  const std::string sans = files.sans.stem().string(), mono = files.mono.stem().string();
  if (!has_inter && !has_jetbrains) {
    return "Inter and JetBrains Mono are missing: " + sans + " and " + mono + " are drawn instead; install fonts-inter and " +
           "fonts-jetbrains-mono.";
  }
  if (!has_inter) return "Inter is missing: " + sans + instead + "fonts-inter.";
  if (!has_jetbrains) return "JetBrains Mono is missing: " + mono + instead + "fonts-jetbrains-mono.";
  return {};
}

FontFiles look_up() {
  FontFiles files;
  const ConfigPtr config(FcInitLoadConfigAndFonts());
  if (config == nullptr) {
    files.note = "Fontconfig could not be started, so no font was found; install fontconfig.";
    return files;
  }
  FcConfig* fc = config.get();
  const std::filesystem::path inter = find_file(fc, {"Inter", FC_WEIGHT_REGULAR});
  const std::filesystem::path jetbrains = find_file(fc, {"JetBrains Mono", FC_WEIGHT_REGULAR});
  const int book = FC_WEIGHT_BOOK, regular = FC_WEIGHT_REGULAR;
  files.sans = !inter.empty() ? inter
                              : find_first(fc, {{"DejaVu Sans", regular},
                                                {"DejaVu Sans", book},
                                                {"Liberation Sans", regular},
                                                {"Noto Sans", regular},
                                                {"Helvetica", regular},
                                                {"Arial", regular}});
  files.mono = !jetbrains.empty() ? jetbrains
                                  : find_first(fc, {{"DejaVu Sans Mono", regular},
                                                    {"DejaVu Sans Mono", book},
                                                    {"Liberation Mono", regular},
                                                    {"Noto Sans Mono", regular},
                                                    {"Menlo", regular}});
  if (!inter.empty()) files.sans_medium = find_first(fc, {{"Inter", FC_WEIGHT_MEDIUM}, {"Inter", FC_WEIGHT_DEMIBOLD}});
  files.fallbacks = find_fallbacks(fc, {files.sans, files.mono});
  if (files.sans.empty() && !files.fallbacks.empty()) files.sans = files.fallbacks.front();
  if (files.sans_medium.empty()) files.sans_medium = files.sans;
  if (files.mono.empty()) files.mono = files.sans;
  files.note = describe(files, !inter.empty(), !jetbrains.empty());
  return files;
}

}  // namespace

const FontFiles& font_files() {
  static const FontFiles files = look_up();
  return files;
}

}  // namespace headroom
