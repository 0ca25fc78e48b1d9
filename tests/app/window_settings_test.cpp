#include "app/window/settings.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <map>

#include "app/window/xdg.h"
#include "core/formats/file.h"
#include "core/tensor/error.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

Settings unusual_settings() {
  return {.theme = ThemeName::kLight,
          .ui_scale = 1.25,
          .is_presenter = true,
          .rail_width = 301,
          .inspector_width = 402.5,
          .strip_height = 199,
          .window_width = 1234,
          .window_height = 777};
}

TEST(Settings, SurviveARoundTrip) {
  EXPECT_EQ(settings_from_json(settings_to_json(unusual_settings())), unusual_settings());
  EXPECT_EQ(settings_from_json(settings_to_json(Settings{})), Settings{});
}

TEST(Settings, MissingFieldsKeepTheirDefaults) {
  Settings expected;
  expected.theme = ThemeName::kLight;
  EXPECT_EQ(settings_from_json(R"({"theme": "light", "from_a_newer_version": [1, 2]})"), expected);
}

TEST(Settings, ValuesOutOfRangeOrOfTheWrongTypeAreBroughtIntoIt) {
  const Settings settings = settings_from_json(
      R"({"ui_scale": 90, "rail_width": -5, "window_width": 1e300, "window_height": "tall", "is_presenter": 1, "strip_height": null})");
  EXPECT_EQ(settings.ui_scale, 4);
  EXPECT_EQ(settings.rail_width, 120);
  EXPECT_EQ(settings.window_width, 16384);
  EXPECT_EQ(settings.window_height, Settings{}.window_height);
  EXPECT_FALSE(settings.is_presenter);
  EXPECT_EQ(settings.strip_height, Settings{}.strip_height);
}

TEST(Settings, WhatIsNoObjectIsRefused) {
  for (const char* text : {"", "[]", "null", "{", "{\"theme\": }", "\xff\xfe"}) {
    EXPECT_THROW(settings_from_json(text), Error) << text;
  }
  EXPECT_THROW(settings_from_json(std::string(100000, '[')), Error);
}

TEST(Settings, AreSavedAndLoaded) {
  const TemporaryFolder folder;
  const auto config = folder / "not/there/yet";
  EXPECT_EQ(load_settings(config).settings, Settings{});
  EXPECT_EQ(load_settings(config).notice, "");
  save_settings(unusual_settings(), config);
  EXPECT_EQ(load_settings(config).settings, unusual_settings());
  EXPECT_EQ(load_settings(config).notice, "");
}

TEST(Settings, ACorruptFileGivesDefaultsAndIsKept) {
  const TemporaryFolder folder;
  write_bytes(folder / "settings.json", "{\"theme\": \"light\"");
  const LoadedSettings loaded = load_settings(folder.path());
  EXPECT_EQ(loaded.settings, Settings{});
  EXPECT_THAT(loaded.notice, testing::HasSubstr("settings.json.corrupt"));
  EXPECT_EQ(file_bytes(folder / "settings.json.corrupt"), "{\"theme\": \"light\"");
}

TEST(Settings, AFolderThatCannotBeMadeIsToldByName) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "in the way");  // Works for root too, who may write anywhere.
  try {
    save_settings(Settings{}, folder / "file/headroom");
    FAIL() << "saved below a file";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr((folder / "file/headroom").string()));
  }
}

TEST(Settings, WithoutAFolderNothingIsKept) {
  EXPECT_EQ(load_settings({}).settings, Settings{});
  EXPECT_THAT(load_settings({}).notice, testing::HasSubstr("HOME"));
  EXPECT_NO_THROW(save_settings(unusual_settings(), {}));
}

TEST(Recent, ListIsSavedAndLoadedNewestFirst) {
  const TemporaryFolder folder;
  std::vector<std::filesystem::path> recent{"/b/model", "/a/x.headroom.json", "/ü/π"};
  save_recent(recent, folder.path());
  EXPECT_EQ(load_recent(folder.path()), recent);
}

TEST(Recent, HostileListsAreEmptyOrCut) {
  const TemporaryFolder folder;
  EXPECT_THAT(load_recent(folder / "none"), testing::IsEmpty());
  for (const char* text : {"", "{}", "[1, null, \"relative/path\"]", "[\"/a\""}) {
    write_bytes(folder / "recent.json", text);
    EXPECT_THAT(load_recent(folder.path()), testing::IsEmpty()) << text;
  }
  std::string many = "[";
  for (int i = 0; i < 100; ++i)
    many += (i == 0 ? "\"/" : ",\"/") + std::to_string(i) + "\"";
  write_bytes(folder / "recent.json", many + "]");
  EXPECT_EQ(load_recent(folder.path()).size(), kMaxRecent);
}

UserFolders folders_of(const std::map<std::string, std::string>& environment) {
  return user_folders([&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  });
}

TEST(UserFolders, FollowTheSpecification) {
  const UserFolders plain = folders_of({{"HOME", "/home/ada"}});
  EXPECT_EQ(plain.config, "/home/ada/.config/headroom");
  EXPECT_EQ(plain.state, "/home/ada/.local/state/headroom");
  EXPECT_EQ(plain.cache, "/home/ada/.cache/headroom");
  EXPECT_EQ(plain.data, "/home/ada/.local/share/headroom");
  const UserFolders set = folders_of({{"HOME", "/home/ada"},
                                      {"XDG_CONFIG_HOME", "/c"},
                                      {"XDG_STATE_HOME", "/s"},
                                      {"XDG_CACHE_HOME", "/k"},
                                      {"XDG_DATA_HOME", "/d"}});
  EXPECT_EQ(set.config, "/c/headroom");
  EXPECT_EQ(set.state, "/s/headroom");
  EXPECT_EQ(set.cache, "/k/headroom");
  EXPECT_EQ(set.data, "/d/headroom");
}

TEST(UserFolders, RelativeValuesAreIgnoredAndWithoutHomeNothingIsKept) {
  EXPECT_EQ(folders_of({{"HOME", "/home/ada"}, {"XDG_CONFIG_HOME", "here"}}).config, "/home/ada/.config/headroom");
  EXPECT_TRUE(folders_of({}).config.empty());
  EXPECT_TRUE(folders_of({{"HOME", "relative"}}).state.empty());
  EXPECT_EQ(folders_of({{"XDG_STATE_HOME", "/s"}}).state, "/s/headroom");
}

}  // namespace
}  // namespace headroom
