// The Speed stage's figures as values: what they say, where it lies, before, while and after measuring.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"
#include "core/figure/speed_panels.h"
#include "tests/figure/figure_fixture.h"
#include "tests/figure/speed_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using MakeFigure = Figure (*)(const FigureInput&, const SpeedState&);
struct NamedFigure {
  const char* name;
  MakeFigure make;
};
constexpr NamedFigure kFigures[] = {{"speed", speed_figure},
                                    {"ladder", ladder_figure},
                                    {"roofline", roofline_figure},
                                    {"growth", growth_figure},
                                    {"devices", devices_figure}};

/// A session whose measured layer is the made-up one.
Session matching_session() {
  Session session;
  session.compute.n_heads = session.compute.n_kv_heads = session.compute.trained.n_heads = session.compute.trained.n_kv_heads = 12;
  session.compute.trained.d_head = 64;
  session.compute.d_model = session.compute.trained.d_model = 768;
  session.view.speed_tokens = 1024;
  return session;
}

FigureInput input_for(const Session& session, Size size, ThemeName name = ThemeName::kDark) {
  static const EvenMeasurer measurer;
  return {.session = session,
          .snapshot = nullptr,
          .size = size,
          .theme = theme(name),
          .measurer = measurer,
          .hovered_query = {},
          .hovered_key = {}};
}

SpeedState changed(void (*change)(SpeedReport&)) {
  SpeedReport report = made_up_report(made_up_shape());
  change(report);
  return {.report = std::make_shared<const SpeedReport>(report), .failures = {}, .running = {}};
}

struct NamedState {
  const char* name;
  SpeedState state;
};
std::vector<NamedState> states() {
  SpeedState failed = changed([](SpeedReport& report) {
    report.ladder.reset();
    report.devices->gpu.reset();
    report.devices->reason =
        "The device has no OpenGL 4.3, it has 3.3; update the driver or choose another device to have a figure.";
  });
  for (const SpeedPart part : kSpeedParts)
    failed.failures[part] =
        "There is not enough memory for this: choose a smaller model or a shorter text, or fewer heads than these.";
  failed.running = SpeedPart::kGrowth;
  return {{"empty", {}},
          {"full", made_up_state()},
          {"failed", failed},
          {"noted", changed([](SpeedReport& report) {
             report.ladder->note = "Measured over 2,048 tokens: naive attention has no memory for 100,000.";
             report.ladder->steps.pop_back();
             report.roofline->note = report.ladder->note;
             report.machine.cpu += " with a name that is longer than any line of any window could be, to see what goes";
           })},
          {"crowded", changed([](SpeedReport& report) {
             for (RooflinePoint& point : report.roofline->points) {
               point.intensity = 60 + point.intensity / 100;
               point.gflops = 200 + point.gflops / 100;
             }
           })},
          {"empty parts", changed([](SpeedReport& report) {
             report.growth->series.clear();
             report.roofline->points.clear();
             report.cases.clear();
             report.devices = DeviceComparison{};
             report.ladder->steps.clear();
           })}};
}

TEST(SpeedLayout, KeepsEverythingInsideAndApart) {
  const EvenMeasurer measurer;
  Session other;
  other.view.speed_tokens = 100000;
  for (const NamedState& one : states()) {
    for (const NamedFigure& figure : kFigures) {
      for (const Size size : {Size{400, 300}, Size{480, 640}, Size{640, 360}, Size{700, 1200}, Size{862, 556}, Size{1000, 590},
                              Size{1320, 790}, Size{1600, 900}, Size{2560, 1440}}) {
        for (const Session& session : {matching_session(), other}) {
          SCOPED_TRACE(std::string(one.name) + ": " + figure.name);
          const FigureInput input = input_for(session, size);
          EXPECT_THAT(layout_faults(figure.make(input, one.state), measurer), IsEmpty());
        }
      }
    }
  }
}

TEST(SpeedLayout, TinySizesDoNotFail) {
  const Session session = matching_session();
  for (const NamedState& one : states()) {
    for (const NamedFigure& figure : kFigures) {
      for (const Size size : {Size{1, 1}, Size{24, 16}, Size{60, 200}, Size{200, 40}, Size{200, 120}})
        EXPECT_EQ(figure.make(input_for(session, size), one.state).size, size);
    }
  }
}

TEST(SpeedLayout, ShowsAsManyPartsAsHaveRoomAndNamesTheOthers) {
  EXPECT_EQ(lay_out_speed({1320, 790}, SpeedSection::kAll).panels.size(), 4u);
  EXPECT_EQ(lay_out_speed({700, 1300}, SpeedSection::kAll).panels.size(), 4u);
  const SpeedLayout small = lay_out_speed({640, 360}, SpeedSection::kAll);
  ASSERT_EQ(small.panels.size(), 1u);
  EXPECT_EQ(small.panels[0].section, SpeedSection::kLadder);
  EXPECT_EQ(small.left_out.size(), 3u);
  const Session session = matching_session();
  EXPECT_THAT(text_of(speed_figure(input_for(session, {640, 360}), made_up_state())), HasSubstr("roofline, time over n"));
  const SpeedLayout one = lay_out_speed({640, 360}, SpeedSection::kGrowth);
  ASSERT_EQ(one.panels.size(), 1u);
  EXPECT_EQ(one.panels[0].section, SpeedSection::kGrowth);
  EXPECT_TRUE(one.left_out.empty());
}

TEST(SpeedFigure, ShowsTheChosenSection) {
  Session session = matching_session();
  const auto text = [&] { return text_of(speed_figure(input_for(session, {1320, 790}), made_up_state())); };
  for (const char* title : {"OPTIMISATION LADDER", "ROOFLINE", "TIME AND MEMORY", "CPU AGAINST GPU"})
    EXPECT_THAT(text(), HasSubstr(title));
  session.view.speed_section = SpeedSection::kRoofline;
  EXPECT_THAT(text(), HasSubstr("ROOFLINE"));
  EXPECT_THAT(text(), Not(HasSubstr("LADDER")));
}

TEST(SpeedFigure, SaysWhatItBelongsTo) {
  const Session session = matching_session();
  const std::string text = text_of(speed_figure(input_for(session, {1320, 790}), made_up_state()));
  EXPECT_THAT(text, HasSubstr("Measured: 12 heads of 64, 1,024 tokens, causal"));
  EXPECT_THAT(text, HasSubstr("Some Processor"));
  EXPECT_THAT(text, Not(HasSubstr("The session is now")));
  Session other = session;
  other.compute.n_kv_heads = 4;
  const std::string stale = text_of(speed_figure(input_for(other, {1320, 790}), made_up_state()));
  EXPECT_THAT(stale, HasSubstr("Measured: 12 heads of 64, 1,024 tokens, causal"));
  EXPECT_THAT(stale, HasSubstr("The session is now 12 heads of 64 over 4"));
}

TEST(SpeedFigure, BeforeMeasuringItSaysWhatForAndShowsNoNumberOfTime) {
  const Session session = matching_session();
  const std::string text = text_of(speed_figure(input_for(session, {1320, 790}), {}));
  for (const char* part : {"One attention layer: 12 heads of 64", "not measured yet", "per-head loops", "K/V cache",
                           "What limits each kernel?", "Quadratic or linear?", "with upload and read back"})
    EXPECT_THAT(text, HasSubstr(part));
  for (const char* unit : {" ms\n", " µs", " GB/s", "×\n"})
    EXPECT_THAT(text, Not(HasSubstr(unit)));
}

TEST(SpeedFigure, WhileMeasuringAndAfterFailuresTheRestStays) {
  const Session session = matching_session();
  SpeedState state = made_up_state();
  state.running = SpeedPart::kRoofline;
  state.failures[SpeedPart::kLadder] = "The ladder broke.";
  const std::string text = text_of(speed_figure(input_for(session, {1320, 790}), state));
  EXPECT_THAT(text, HasSubstr("measuring now"));
  EXPECT_THAT(text, HasSubstr("Not measured: The ladder broke."));
  EXPECT_THAT(text, HasSubstr("96.4 ms")) << "what was measured before stands";
}

TEST(LadderFigure, PutsTimesToScaleWithTheirRatios) {
  const Session session = matching_session();
  const Figure figure = ladder_figure(input_for(session, {900, 600}), made_up_state());
  const std::string text = text_of(figure);
  for (const char* part : {"96.4 ms", "12.8 ms", "7.5×", "94 µs a token", "1,026×", "GQA, 3 K/V heads", "never written to memory",
                           "Without the cache a new token takes 8.73 ms", "at most 4.8e−7"})
    EXPECT_THAT(text, HasSubstr(part));
  const auto bar_of = [&](const char* name) {
    const HitRegion* hit = find_hit(figure, name);
    EXPECT_NE(hit, nullptr) << name;
    double width = 0;  // of the coloured bar: the narrowest fill of the row
    for (const FilledRect& rect : items_of<FilledRect>(figure)) {
      if (hit != nullptr && hit->shape.contains({rect.rect.x + 1, rect.rect.y + 1})) width = rect.rect.w;
    }
    return width;
  };
  EXPECT_NEAR(bar_of("speed ladder flash") / bar_of("speed ladder per-head loops"), 12.8 / 96.4, 1e-6);
  EXPECT_NEAR(bar_of("speed ladder fused q k v") / bar_of("speed ladder per-head loops"), 61.2 / 96.4, 1e-6);
  const HitRegion* flash = find_hit(figure, "speed ladder flash");
  for (const char* part : {"measured", "counted", "allocated", "What flash does."})
    EXPECT_THAT(flash->tooltip, HasSubstr(part));
}

TEST(RooflineFigure, PlacesKernelsOnLogarithmicAxes) {
  const Session session = matching_session();
  const SpeedState state = made_up_state();
  const Figure figure = roofline_figure(input_for(session, {1280, 720}), state);
  const auto centre = [&](const std::string& kernel) {
    const HitRegion* hit = find_hit(figure, "speed point " + kernel);
    EXPECT_NE(hit, nullptr) << kernel;
    return hit == nullptr ? Point{} : Point{hit->shape.x + hit->shape.w / 2, hit->shape.y + hit->shape.h / 2};
  };
  const Point decode = centre("decode"), flash = centre("flash"), naive = centre("naive");
  EXPECT_NEAR((naive.x - decode.x) / (flash.x - decode.x), std::log(14.2 / 0.5) / std::log(231 / 0.5), 1e-6);
  EXPECT_NEAR((decode.y - naive.y) / (decode.y - flash.y), std::log(71 / 13.1) / std::log(318 / 13.1), 1e-6);
  const std::string text = text_of(figure);
  for (const RooflinePoint& point : state.report->roofline->points)
    EXPECT_THAT(text, HasSubstr(point.kernel + "  " + gflops_text(point.gflops))) << "each point has its name and rate";
  for (const char* roof : {"FMA peak 403 GFLOP/s", "L2 reads 341 GB/s", "L3 reads 58.4 GB/s", "memory reads 31.2 GB/s"})
    EXPECT_THAT(text, HasSubstr(roof));
  EXPECT_THAT(text, HasSubstr("FLOP/byte moved (counted by the kernels)"));
}

TEST(RooflineFigure, SaysWhatBoundsEachKernel) {
  const Session session = matching_session();
  const Figure figure = roofline_figure(input_for(session, {1280, 720}), made_up_state());
  const auto tip = [&](const char* name) {
    const HitRegion* hit = find_hit(figure, name);
    return hit == nullptr ? std::string() : hit->tooltip;
  };
  EXPECT_THAT(tip("speed point flash"), HasSubstr("how fast the machine multiplies and adds"));
  EXPECT_THAT(tip("speed point decode"), HasSubstr("memory reads"));
  EXPECT_THAT(tip("speed point decode"), HasSubstr("0.5 FLOP/byte"));
  EXPECT_THAT(tip("speed point decode"), HasSubstr("counted"));
  EXPECT_THAT(tip("speed point gl"), HasSubstr("device of its own"));
  EXPECT_THAT(tip("speed roof memory reads"), HasSubstr("31.2 GB/s, measured"));
  EXPECT_NE(find_hit(figure, "speed roof FMA peak"), nullptr);
}

TEST(RooflineFigure, ASmallOneNamesItsMarkersAboveThePlot) {
  const Session session = matching_session();
  const std::string text = text_of(roofline_figure(input_for(session, {480, 320}), made_up_state()));
  EXPECT_THAT(text, HasSubstr("flash float16 301"));
  EXPECT_THAT(text, HasSubstr("decode 13.1"));
  EXPECT_THAT(text, HasSubstr("L2 reads 341"));
}

TEST(GrowthFigure, GivesTheFittedExponentsAndEveryPoint) {
  const Session session = matching_session();
  const Figure figure = growth_figure(input_for(session, {1000, 640}), made_up_state());
  const std::string text = text_of(figure);
  for (const char* part : {"naive  ∝ n^2.07", "flash  ∝ n^1.94", "linear  ∝ n^1.02", "ends at 2,048 tokens", "8,192",
                           "bytes moved, counted", "time, measured"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_NE(find_hit(figure, "speed time flash 8192"), nullptr);
  EXPECT_EQ(find_hit(figure, "speed time naive 4096"), nullptr) << "was not measured";
  EXPECT_NE(find_hit(figure, "speed allocated flash 4096"), nullptr);
  EXPECT_EQ(find_hit(figure, "speed allocated flash 8192"), nullptr) << "nothing has no place on a logarithmic axis";
  const HitRegion* point = find_hit(figure, "speed time naive 1024");
  ASSERT_NE(point, nullptr);
  for (const char* part : {"naive, 1,024 tokens", "measured", "counted by the kernel", "fitted over the 4 largest n"})
    EXPECT_THAT(point->tooltip, HasSubstr(part));
  // Equal steps of n are equal steps on the axis.
  const auto x = [&](const char* name) { return find_hit(figure, name)->shape.x; };
  EXPECT_NEAR(x("speed time flash 256") - x("speed time flash 128"), x("speed time flash 8192") - x("speed time flash 4096"), 1e-6);
}

TEST(DevicesFigure, NamesTheDeviceOrTheReason) {
  const Session session = matching_session();
  std::string text = text_of(devices_figure(input_for(session, {800, 560}), made_up_state()));
  for (const char* part : {"CPU naive, 2 threads", "CPU flash, 2 threads", "10.1 ms", "79 % of FMA peak", "GPU, its kernel alone",
                           "161 ms", "GPU, its kernel alone\n", "llvmpipe (LLVM 15.0.6, 256 bits)", "software renderer"})
    EXPECT_THAT(text, HasSubstr(part));
  const SpeedState real = changed([](SpeedReport& report) {
    report.devices->gpu->ms = 1.01;
    report.devices->gpu_name = "A Real Device";
    report.devices->gpu_is_software = false;
  });
  EXPECT_THAT(text_of(devices_figure(input_for(session, {800, 560}), real)), HasSubstr("10× as fast as the processor"));
  const SpeedState none = changed([](SpeedReport& report) {
    report.devices->gpu.reset();
    report.devices->gpu_call_ms = 0;
    report.devices->reason = "there is no OpenGL here.";
  });
  EXPECT_THAT(text_of(devices_figure(input_for(session, {800, 560}), none)), HasSubstr("No GPU figure: there is no OpenGL here."));
}

TEST(KernelSign, TellsKernelsApartWithoutColour) {
  for (const ThemeName name : {ThemeName::kDark, ThemeName::kLight}) {
    const Theme& t = theme(name);
    std::vector<Marker> seen;
    for (const char* kernel : {"naive", "flash", "flash float16", "decode", "decode float16", "linear", "gl"}) {
      const KernelSign sign = kernel_sign(t, kernel);
      EXPECT_THAT(seen, Not(testing::Contains(sign.marker))) << kernel;
      seen.push_back(sign.marker);
      EXPECT_GE(contrast(sign.color, t.panel), 3.0) << kernel;
    }
  }
}

TEST(LabelPlacer, NeverCoversWhatIsTaken) {
  LabelPlacer placer({0, 0, 100, 40});
  const auto first = placer.place({{10, 10, 30, 16}});
  ASSERT_TRUE(first);
  EXPECT_FALSE(placer.place({{20, 12, 30, 16}})) << "overlaps the first";
  EXPECT_FALSE(placer.place({{80, 10, 30, 16}})) << "leaves the bounds";
  const auto second = placer.place({{20, 12, 30, 16}, {45, 10, 30, 16}});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->x, 45);
  EXPECT_FALSE(placer.is_line_free({0, 18}, {99, 18}));
  EXPECT_TRUE(placer.is_line_free({0, 35}, {99, 35}));
}

TEST(LogAxis, IsLogarithmicAndHasTicks) {
  const LogAxis axis{1, 100};
  EXPECT_DOUBLE_EQ(axis.share(1), 0);
  EXPECT_DOUBLE_EQ(axis.share(10), 0.5);
  EXPECT_DOUBLE_EQ(axis.share(100), 1);
  EXPECT_THAT(decimal_ticks({1, 1e5}), testing::ElementsAre(1, 10, 100, 1000, 1e4, 1e5));
  EXPECT_THAT(decimal_ticks({1, 10}), testing::ElementsAre(1, 2, 5, 10));
  EXPECT_THAT(byte_ticks({1000, 2e6}), testing::ElementsAre(1024, 32768, 1048576));
  EXPECT_TRUE(std::isfinite(axis.share(0)));
  const LogAxis nothing = axis_around({0, -1, NAN, INFINITY});
  EXPECT_LT(nothing.low, nothing.high);
}

TEST(SpeedText, WritesRatesAndRatios) {
  EXPECT_EQ(gflops_text(3.456), "3.46 GFLOP/s");
  EXPECT_EQ(gflops_text(45.6), "45.6 GFLOP/s");
  EXPECT_EQ(gflops_text(1234), "1,234 GFLOP/s");
  EXPECT_EQ(gflops_text(45600), "45.6 TFLOP/s");
  EXPECT_EQ(times_text(1), "1×");
  EXPECT_EQ(times_text(7.53), "7.5×");
  EXPECT_EQ(times_text(0.83), "0.83×");
  EXPECT_EQ(times_text(1026), "1,026×");
  EXPECT_EQ(times_text(INFINITY), "–");
}

}  // namespace
}  // namespace headroom
