#include "app/painters/cairo_painter.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <cairo.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string_view>

#include "app/painters/cairo_canvas.h"
#include "app/painters/cairo_text.h"
#include "app/painters/png.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr double kMaxSide = 16384;

struct SurfaceDeleter {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
struct ContextDeleter {
  void operator()(cairo_t* cairo) const { cairo_destroy(cairo); }
};
using Surface = std::unique_ptr<cairo_surface_t, SurfaceDeleter>;
using Context = std::unique_ptr<cairo_t, ContextDeleter>;

cairo_status_t append_bytes(void* closure, const unsigned char* data, unsigned int n) {
  static_cast<std::string*>(closure)->append(static_cast<const char*>(static_cast<const void*>(data)), n);
  return CAIRO_STATUS_SUCCESS;
}

void check(cairo_status_t status) {
  if (status != CAIRO_STATUS_SUCCESS) throw Error(std::string("the picture could not be drawn: ") + cairo_status_to_string(status));
}

void draw(const Figure& figure, const Theme& theme, cairo_surface_t* surface, double scale) {
  const Context cairo(cairo_create(surface));
  cairo_scale(cairo.get(), scale, scale);
  cairo_font_options_t* options = cairo_font_options_create();
  cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
  cairo_set_font_options(cairo.get(), options);
  cairo_font_options_destroy(options);
  const bool is_image = cairo_surface_get_type(surface) == CAIRO_SURFACE_TYPE_IMAGE;
  CairoTiles tiles;
  draw_figure_items({.cairo = cairo.get(),
                     .figure = figure,
                     .theme = theme,
                     .tiles = tiles,
                     .scale = scale,
                     .target = is_image ? CairoCanvas::Target::kPixels : CairoCanvas::Target::kVectors});
  check(cairo_status(cairo.get()));
}

std::string render_png(const Figure& figure, const Theme& theme, double scale) {
  const int width = static_cast<int>(std::lround(figure.size.w * scale)),
            height = static_cast<int>(std::lround(figure.size.h * scale));
  const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height));
  check(cairo_surface_status(surface.get()));
  draw(figure, theme, surface.get(), scale);
  cairo_surface_flush(surface.get());
  Image image{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 4)};
  const unsigned char* pixels = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  std::uint8_t* out = image.rgba.data();
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x, out += 4) {
      std::uint32_t packed = 0;
      std::memcpy(&packed, pixels + static_cast<std::ptrdiff_t>(y) * stride + x * 4, 4);
      out[0] = static_cast<std::uint8_t>(packed >> 16U);
      out[1] = static_cast<std::uint8_t>(packed >> 8U);
      out[2] = static_cast<std::uint8_t>(packed);
      out[3] = 255;
    }
  }
  return encode_png(image);
}

/// Cairo numbers surfaces by a counter of the process: the same names, counted from 1 in the order in which they appear.
std::string renumbered(std::string_view svg) {
  static constexpr std::string_view kNames[] = {"surface", "image", "source", "mask", "clip", "pattern", "linear", "glyph"};
  std::map<std::string, std::size_t, std::less<>> numbers;
  std::string answer;
  answer.reserve(svg.size());
  for (std::size_t at = 0; at < svg.size();) {
    const char before = at > 0 ? svg[at - 1] : ' ';
    const bool can_begin = before == '"' || before == '#';
    std::size_t digits = 0, length = 0;
    for (const std::string_view name : kNames) {
      if (!can_begin || svg.substr(at, name.size()) != name) continue;
      digits = at + name.size();
      while (digits + length < svg.size() && svg[digits + length] >= '0' && svg[digits + length] <= '9')
        ++length;
      break;
    }
    if (length == 0) {
      answer.push_back(svg[at++]);
      continue;
    }
    const std::string name(svg.substr(at, digits + length - at));
    const auto number = numbers.try_emplace(name, numbers.size() + 1).first->second;
    answer += svg.substr(at, digits - at);
    answer += std::to_string(number);
    at = digits + length;
  }
  return answer;
}

std::string escaped_xml(std::string_view text) {
  std::string answer;
  for (const char c : text) {
    if (c == '<') {
      answer += "&lt;";
    } else if (c == '&') {
      answer += "&amp;";
    } else {
      answer.push_back(c);
    }
  }
  return answer;
}

std::string render_svg(const Figure& figure, const Theme& theme, double scale) {
  std::string bytes;
  const Surface surface(cairo_svg_surface_create_for_stream(append_bytes, &bytes, figure.size.w * scale, figure.size.h * scale));
  check(cairo_surface_status(surface.get()));
  cairo_svg_surface_set_document_unit(surface.get(), CAIRO_SVG_UNIT_PX);
  draw(figure, theme, surface.get(), scale);
  cairo_surface_finish(surface.get());
  check(cairo_surface_status(surface.get()));
  std::string svg = renumbered(bytes);
  const std::size_t root = svg.find("<svg");
  const std::size_t root_end = root == std::string::npos ? root : svg.find('>', root);
  if (root_end != std::string::npos && !figure.title.empty()) {
    svg.insert(root_end + 1, "\n<title>" + escaped_xml(figure.title) + "</title>");
  }
  return svg;
}

std::string render_pdf(const Figure& figure, const Theme& theme, double scale) {
  std::string bytes;
  const Surface surface(cairo_pdf_surface_create_for_stream(append_bytes, &bytes, figure.size.w * scale, figure.size.h * scale));
  check(cairo_surface_status(surface.get()));
  cairo_pdf_surface_set_metadata(surface.get(), CAIRO_PDF_METADATA_TITLE, figure.title.c_str());
  cairo_pdf_surface_set_metadata(surface.get(), CAIRO_PDF_METADATA_CREATOR, "Headroom");
  // The date of making would differ each time; the file's own date says it already.
  cairo_pdf_surface_set_metadata(surface.get(), CAIRO_PDF_METADATA_CREATE_DATE, "2000-01-01T00:00:00Z");
  draw(figure, theme, surface.get(), scale);
  cairo_surface_finish(surface.get());
  check(cairo_surface_status(surface.get()));
  return bytes;
}

class LockingMeasurer : public TextMeasurer {
 public:
  double width(std::string_view text, FontFace face, double size) const override {
    const std::lock_guard lock(cairo_font_mutex());
    return text_width(text, face, size);
  }
};

}  // namespace

std::string render_figure(const Figure& figure, const Theme& theme, FigureFormat format, double scale) {
  const auto is_side = [](double pixels) { return pixels >= 0.5 && pixels < kMaxSide + 0.5; };
  if (!is_side(figure.size.w * scale) || !is_side(figure.size.h * scale)) {
    throw Error("a picture's side must be 1 to 16384 pixels after scaling");
  }
  const std::lock_guard lock(cairo_font_mutex());
  switch (format) {
    case FigureFormat::kPng:
      return render_png(figure, theme, scale);
    case FigureFormat::kSvg:
      return render_svg(figure, theme, scale);
    case FigureFormat::kPdf:
      return render_pdf(figure, theme, scale);
  }
  return {};
}

std::unique_ptr<TextMeasurer> make_cairo_measurer() { return std::make_unique<LockingMeasurer>(); }

}  // namespace headroom
