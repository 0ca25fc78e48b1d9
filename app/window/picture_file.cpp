#include "app/window/picture_file.h"

#include <cairo-pdf.h>
#include <cairo.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "core/tensor/error.h"

namespace headroom {
namespace {

std::string base64(const std::string& bytes) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) {
      return i + k < bytes.size() ? static_cast<unsigned>(static_cast<unsigned char>(bytes[i + k])) : 0U;
    };
    const unsigned group = (byte(0) << 16U) | (byte(1) << 8U) | byte(2);
    for (unsigned k = 0; k < 4; ++k)
      text.push_back(i + k > bytes.size() ? '=' : kLetters[(group >> (18 - 6 * k)) & 63U]);
  }
  return text;
}

std::string svg_file(const Image& image, double scale) {
  std::array<char, 400> head{};
  const double w = image.width / scale, h = image.height / scale;
  std::snprintf(head.data(), head.size(),
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
                "xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"%g\" height=\"%g\" viewBox=\"0 0 %g %g\">\n"
                "<title>Headroom</title>\n<image width=\"%g\" height=\"%g\" xlink:href=\"data:image/png;base64,",
                w, h, w, h, w, h);
  return head.data() + base64(encode_png(image)) + "\"/>\n</svg>\n";
}

struct CairoFree {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};

cairo_status_t append(void* closure, const unsigned char* bytes, unsigned int length) {
  static_cast<std::string*>(closure)->append(bytes, bytes + length);
  return CAIRO_STATUS_SUCCESS;
}

std::string pdf_file(const Image& image, double scale) {
  const int stride = cairo_format_stride_for_width(CAIRO_FORMAT_RGB24, image.width);
  std::vector<unsigned char> pixels(static_cast<std::size_t>(stride) * static_cast<std::size_t>(image.height));
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t* from = image.rgba.data() + 4 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) +
                                                          static_cast<std::size_t>(x));
      const std::uint32_t pixel = (std::uint32_t{from[0]} << 16U) | (std::uint32_t{from[1]} << 8U) | std::uint32_t{from[2]};
      std::memcpy(pixels.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(stride) + 4 * static_cast<std::size_t>(x),
                  &pixel, 4);
    }
  }
  std::string bytes;
  {
    const std::unique_ptr<cairo_surface_t, CairoFree> picture(
        cairo_image_surface_create_for_data(pixels.data(), CAIRO_FORMAT_RGB24, image.width, image.height, stride));
    const std::unique_ptr<cairo_surface_t, CairoFree> page(
        cairo_pdf_surface_create_for_stream(append, &bytes, image.width / scale, image.height / scale));
    // A fixed date: the same window is the same file.
    cairo_pdf_surface_set_metadata(page.get(), CAIRO_PDF_METADATA_CREATE_DATE, "2000-01-01T00:00:00Z");
    cairo_pdf_surface_set_metadata(page.get(), CAIRO_PDF_METADATA_TITLE, "Headroom");
    const std::unique_ptr<cairo_t, CairoFree> context(cairo_create(page.get()));
    cairo_scale(context.get(), 1 / scale, 1 / scale);
    cairo_set_source_surface(context.get(), picture.get(), 0, 0);
    cairo_pattern_set_filter(cairo_get_source(context.get()), CAIRO_FILTER_NEAREST);
    cairo_paint(context.get());
    cairo_surface_finish(page.get());
    if (const cairo_status_t status = cairo_surface_status(page.get()); status != CAIRO_STATUS_SUCCESS) {
      throw Error(std::string("the PDF could not be made (") + cairo_status_to_string(status) + ")");
    }
  }
  return bytes;
}

}  // namespace

std::string picture_file(const Image& image, FigureFormat format, double scale) {
  if (format == FigureFormat::kSvg) return svg_file(image, scale);
  if (format == FigureFormat::kPdf) return pdf_file(image, scale);
  return encode_png(image);
}

}  // namespace headroom
