#include <imgui.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <tuple>

#include "app/views/card.h"
#include "app/views/context.h"
#include "app/widgets/controls.h"
#include "core/cost/kv_cache.h"
#include "core/cost/thousands.h"
#include "core/figure/number_text.h"
#include "core/formats/file.h"

namespace headroom {
namespace {

using Column = CardScratch::Column;
using Line = CardScratch::Line;
using Rows = CardScratch::Rows;

std::string count_of(std::uint64_t n) { return count_text(static_cast<std::int64_t>(std::min<std::uint64_t>(n, INT64_MAX))); }
std::string bytes_of(std::uint64_t n) { return bytes_text(static_cast<std::int64_t>(std::min<std::uint64_t>(n, INT64_MAX))); }

/// Makes the lines anew when the listing, the filter or the grouping changed.
void make_lines(CardScratch& scratch, const std::shared_ptr<const TensorListing>& listing) {
  const std::string filter = scratch.filter.data();
  if (scratch.listed == listing && scratch.listed_filter == filter && scratch.listed_rows == scratch.rows) return;
  scratch.listed = listing;
  scratch.listed_filter = filter;
  scratch.listed_rows = scratch.rows;
  scratch.lines.clear();
  scratch.listed_bytes = scratch.listed_elements = scratch.listed_tensors = 0;
  std::map<std::pair<std::string, std::int64_t>, std::size_t> groups;
  for (const ListedTensor& tensor : listing->tensors) {
    if (!filter.empty() && tensor.name.find(filter) == std::string::npos && tensor.dtype != filter) continue;
    ++scratch.listed_tensors;
    scratch.listed_bytes += tensor.bytes;
    scratch.listed_elements += tensor.elements;
    Line line{.name = tensor.name,
              .dtype = tensor.dtype,
              .shape = tensor.shape,
              .elements = tensor.elements,
              .bytes = tensor.bytes,
              .file = tensor.file,
              .layer = tensor.layer};
    line.stem = tensor.layer < 0 ? tensor.name.size() : tensor.group.find_last_of('.') + 1;
    if (scratch.rows == Rows::kTensors) {
      scratch.lines.push_back(std::move(line));
      continue;
    }
    const auto [found, is_new] = groups.try_emplace({tensor.group, tensor.layer}, scratch.lines.size());
    if (is_new) {
      line.name = tensor.group;
      line.shape.clear();
      scratch.lines.push_back(std::move(line));
      continue;
    }
    Line& group = scratch.lines[found->second];
    ++group.n_tensors;
    group.elements += tensor.elements;
    group.bytes += tensor.bytes;
    if (group.dtype != tensor.dtype) group.dtype = "mixed";
  }
  scratch.is_sorted = false;
}

/// "model.layers.10" comes after "model.layers.9".
bool is_before(const Line& a, const Line& b, Column column) {
  switch (column) {
    case Column::kName: {
      const auto stem = [](const Line& line) { return std::string_view(line.name).substr(0, line.stem); };
      return std::tuple(stem(a), a.layer, std::string_view(a.name)) < std::tuple(stem(b), b.layer, std::string_view(b.name));
    }
    case Column::kDtype:
      return a.dtype < b.dtype;
    case Column::kShape:
      return a.shape.size() != b.shape.size() ? a.shape.size() < b.shape.size() : a.shape < b.shape;
    case Column::kElements:
      return a.elements < b.elements;
    case Column::kBytes:
      return a.bytes < b.bytes;
    case Column::kFile:
      return a.file < b.file;
  }
  return false;
}

void sort_lines(CardScratch& scratch) {
  ImGuiTableSortSpecs* specs = ImGui::TableGetSortSpecs();
  if (specs == nullptr) return;
  if (specs->SpecsDirty && specs->SpecsCount > 0) {
    scratch.sorted_by = static_cast<Column>(specs->Specs[0].ColumnIndex);
    scratch.is_descending = specs->Specs[0].SortDirection == ImGuiSortDirection_Descending;
    scratch.is_sorted = false;
    specs->SpecsDirty = false;
  }
  if (specs->SpecsCount == 0 || scratch.is_sorted) return;
  std::stable_sort(scratch.lines.begin(), scratch.lines.end(), [&](const Line& a, const Line& b) {
    return scratch.is_descending ? is_before(b, a, scratch.sorted_by) : is_before(a, b, scratch.sorted_by);
  });
  scratch.is_sorted = true;
}

/// Filter, grouping and totals. Returns the height used.
double toolbar(const Frame& frame, const Rect& area) {
  const Look& look = frame.look;
  CardScratch& scratch = frame.state.card;
  const float x = static_cast<float>(area.x) + look.px(14), y = static_cast<float>(area.y);
  const float width = std::min(look.px(280), static_cast<float>(area.w) * 0.4f);
  ImGui::SetCursorScreenPos(ImVec2(x, y));
  {
    const FontScope font(FontFace::kSans, kTextSize);
    ImGui::SetNextItemWidth(width);
    ImGui::InputTextWithHint("##tensor filter", "Filter: q_proj, layers.3., BF16…", scratch.filter.data(), scratch.filter.size());
    record_last_item("card/filter");
    tooltip(look, "Only tensors whose name holds these letters, or of this type.");
  }
  constexpr std::array<MenuChoice, 2> rows{{
      {"card/rows/tensors", "each", "A line a tensor."},
      {"card/rows/layers", "by layer", "A line a layer, its tensors added up; a click shows them."},
  }};
  ImGui::SetCursorScreenPos(ImVec2(x + width + look.px(10), y));
  if (const auto chosen = segmented(look, rows, static_cast<int>(scratch.rows), look.px(140)))
    scratch.rows = static_cast<Rows>(*chosen);
  const TensorListing& listing = *frame.model.cards.shown->tensors;
  std::string text = count_of(listing.tensors.size()) + (listing.tensors.size() == 1 ? " tensor" : " tensors");
  if (!scratch.listed_filter.empty()) text = count_of(scratch.listed_tensors) + " of " + text;
  text += " · " + count_of(scratch.listed_elements) + " numbers · " + bytes_of(scratch.listed_bytes) + " · " + dtypes_text(listing);
  if (listing.files.size() > 1) text += " · " + count_of(listing.files.size()) + " files";
  const float left = x + width + look.px(162);
  draw_text_fitted(look, *ImGui::GetWindowDrawList(), {left, y + look.px(5)}, text, small_text(look),
                   static_cast<float>(area.x + area.w) - left - look.px(14));
  return look.px(34);
}

/// What is wrong with the files, above the table. Returns the height used.
double problem(const Frame& frame, const Rect& area) {
  const ShownCard& shown = *frame.model.cards.shown;
  const std::string& text = !shown.tensors->problem.empty() ? shown.tensors->problem
                            : !shown.not_run.empty()        ? shown.not_run
                                                            : shown.problem;
  if (text.empty()) return 0;
  const Look& look = frame.look;
  TextStyle style = small_text(look);
  style.color = frame.theme.text;
  const float wrap = static_cast<float>(area.w) - look.px(52);
  const std::string drawable = imgui_drawable(text, FontFace::kSans);
  const TextExtent extent = text_extent(look, drawable, style, wrap);
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const Rect box{area.x + look.px(14), area.y, area.w - look.px(28), extent.h + look.px(12)};
  fill_rect(list, box, frame.theme.warning_panel, look.px(4));
  draw_text(look, list, {box.x + look.px(12), box.y + look.px(6)}, drawable, style, wrap);
  return box.h + look.px(8);
}

void right_aligned(const std::string& text) {
  const float room = ImGui::GetContentRegionAvail().x - ImGui::CalcTextSize(text.c_str()).x;
  if (room > 0) ImGui::SetCursorPosX(ImGui::GetCursorPosX() + room);
  ImGui::TextUnformatted(text.c_str());
}

void draw_line_of(const Frame& frame, const Line& line, int row) {
  CardScratch& scratch = frame.state.card;
  const TensorListing& listing = *frame.model.cards.shown->tensors;
  ImGui::TableNextRow();
  ImGui::TableNextColumn();
  ImGui::PushID(row);
  const bool is_group = scratch.rows == Rows::kLayers;
  const std::string shown = is_group && line.name.empty() ? "outside the layers" : line.name;
  if (ImGui::Selectable(imgui_drawable(shown, FontFace::kMono).c_str(), false, ImGuiSelectableFlags_SpanAllColumns)) {
    if (is_group && !line.name.empty()) {
      const std::string filter = line.name + ".";
      if (filter.size() < scratch.filter.size()) {
        std::copy(filter.begin(), filter.end(), scratch.filter.begin());
        scratch.filter[filter.size()] = '\0';
        scratch.rows = Rows::kTensors;
      }
    } else if (!is_group) {
      frame.command(CopyText{line.name});
    }
  }
  if (ImGui::IsItemHovered())
    tooltip(frame.look, shown + "\n" + count_of(line.elements) + " numbers, " + count_of(line.bytes) + " B, " + line.dtype +
                            (is_group ? "\nA click shows the tensors of this layer." : "\nA click copies the name."));
  ImGui::PopID();
  ImGui::TableNextColumn();
  ImGui::TextUnformatted(line.dtype.c_str());
  ImGui::TableNextColumn();
  const std::string shape = is_group ? count_of(line.n_tensors) + (line.n_tensors == 1 ? " tensor" : " tensors") : line.shape;
  ImGui::TextUnformatted(shape.c_str());
  ImGui::TableNextColumn();
  right_aligned(count_of(line.elements));
  ImGui::TableNextColumn();
  right_aligned(bytes_of(line.bytes));
  if (listing.files.size() > 1) {
    ImGui::TableNextColumn();
    if (line.file < listing.files.size()) ImGui::TextUnformatted(imgui_drawable(listing.files[line.file], FontFace::kMono).c_str());
  }
}

}  // namespace

void draw_card_tensors(const Frame& frame, const Rect& area) {
  const Look& look = frame.look;
  CardScratch& scratch = frame.state.card;
  make_lines(scratch, frame.model.cards.shown->tensors);
  const TensorListing& listing = *scratch.listed;
  Rect place = area;
  const auto take = [&](double height) {
    place.y += height;
    place.h -= height;
  };
  take(problem(frame, place));
  take(toolbar(frame, place));
  if (place.h < look.px(40)) return;
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(place.x) + look.px(14), static_cast<float>(place.y)));
  if (scratch.lines.empty()) {
    draw_text(look, *ImGui::GetWindowDrawList(), {place.x + look.px(14), place.y + look.px(12)},
              listing.tensors.empty()
                  ? "There are no tensors here: the folder holds a configuration alone, or its files cannot be read."
                  : "No tensor fits the filter.",
              small_text(look));
    return;
  }
  const FontScope font(FontFace::kMono, kSmallTextSize);
  const int columns = listing.files.size() > 1 ? 6 : 5;
  const ImGuiTableFlags flags = ImGuiTableFlags_Sortable | ImGuiTableFlags_ScrollY | ImGuiTableFlags_RowBg |
                                ImGuiTableFlags_Resizable | ImGuiTableFlags_BordersInnerH | ImGuiTableFlags_SizingStretchProp;
  ImGui::PushStyleColor(ImGuiCol_TableHeaderBg, pack(frame.theme.raised));
  ImGui::PushStyleColor(ImGuiCol_TableBorderLight, pack(frame.theme.border));
  ImGui::PushStyleColor(ImGuiCol_TableRowBg, pack(frame.theme.panel));
  ImGui::PushStyleColor(ImGuiCol_TableRowBgAlt, pack(frame.theme.panel));
  const ImVec2 size(static_cast<float>(place.w) - look.px(28), static_cast<float>(place.h) - look.px(10));
  if (ImGui::BeginTable("##tensors", columns, flags, size)) {
    ImGui::TableSetupScrollFreeze(0, 1);
    ImGui::TableSetupColumn("name", 0, 5);
    ImGui::TableSetupColumn("type", 0, 0.8f);
    ImGui::TableSetupColumn(scratch.rows == Rows::kLayers ? "tensors" : "shape", 0, 2);
    ImGui::TableSetupColumn("numbers", ImGuiTableColumnFlags_PreferSortDescending, 1.6f);
    ImGui::TableSetupColumn("bytes", ImGuiTableColumnFlags_PreferSortDescending, 1.4f);
    if (columns > 5) ImGui::TableSetupColumn("file", 0, 3);
    ImGui::TableHeadersRow();
    sort_lines(scratch);
    ImGuiListClipper clipper;
    clipper.Begin(static_cast<int>(scratch.lines.size()));
    while (clipper.Step())
      for (int row = clipper.DisplayStart; row < clipper.DisplayEnd; ++row)
        draw_line_of(frame, scratch.lines[static_cast<std::size_t>(row)], row);
    ImGui::EndTable();
  }
  record_last_item("card/tensors");
  ImGui::PopStyleColor(4);
}

}  // namespace headroom
