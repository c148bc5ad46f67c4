// SPDX-License-Identifier: MIT
// The options of the process: every one is read and set, wrong values are refused. What TM_CONF says is in c/configured.c.
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

struct Row {
    const char *name;
    std::vector<const char *> good, wrong;
};
const Row rows[] = {
    {"mode", {"write-through", "auto", "write-back"}, {"", "wb", "automatic", "write", "write-backs", "1"}},
    {"contention", {"suicide", "delay", "timestamp", "backoff"}, {"", "none", "back", "backoff "}},
    {"turns", {"off", "always", "auto"}, {"", "on", "1", "never"}},
    {"max_retries", {"0", "1", "1000000", "100"}, {"", "-1", "1000001", "x", "10x", "99999999999999999999", " 5"}},
    {"spin", {"0", "1000000", "100"}, {"", "-1", "1000001", "ten"}},
    {"wait", {"0", "1000000", "1000"}, {"", "-1", "1000001", "0x10"}},
    {"quiescence", {"off", "on"}, {"", "maybe", "yes", "1"}},
    {"verbose", {"off"}, {"", "very"}},
};

class Config : public ::testing::TestWithParam<Row> {};
INSTANTIATE_TEST_SUITE_P(, Config, ::testing::ValuesIn(rows), [](const auto &info) { return std::string(info.param.name); });

TEST_P(Config, A6_option_takes_its_values_and_no_other)
{
    const Row &row = GetParam();
    const std::string before = option(row.name);
    ASSERT_FALSE(before.empty());
    for (const char *value : row.good) {
        EXPECT_EQ(tm_config_set(row.name, value), 0) << value;
        EXPECT_EQ(option(row.name), value);
    }
    const std::string last = option(row.name);
    for (const char *value : row.wrong) {
        EXPECT_EQ(tm_config_set(row.name, value), EINVAL) << '"' << value << '"';
        EXPECT_EQ(option(row.name), last);
    }
    EXPECT_EQ(tm_config_set(row.name, before.c_str()), 0);
    EXPECT_EQ(atomically([] { return 1; }), 1);
}

TEST(ConfigErrors, A6_unknown_names)
{
    EXPECT_EQ(tm_config_set("nonsense", "1"), ENOENT);
    EXPECT_EQ(tm_config_set("", "1"), ENOENT);
    EXPECT_EQ(tm_config_set("mod", "write-back"), ENOENT);
    EXPECT_EQ(tm_config_set("heap", "system"), ENOENT); // to be read only
    char buf[8];
    EXPECT_EQ(tm_config_get("nonsense", buf, sizeof buf), -1);
}

TEST(ConfigErrors, A6_get_behaves_as_snprintf)
{
    const std::string mode = option("mode");
    char buf[5];
    EXPECT_EQ(tm_config_get("mode", buf, sizeof buf), static_cast<int>(mode.size()));
    EXPECT_EQ(std::string(buf), mode.substr(0, 4));
    EXPECT_EQ(tm_config_get("mode", nullptr, 0), static_cast<int>(mode.size()));
    EXPECT_EQ(option("version"), TM_VERSION);
    EXPECT_TRUE(option("heap") == "jemalloc" || option("heap") == "system") << option("heap");
}

TEST(ConfigErrors, A6_what_the_first_transaction_fixes)
{
    atomically([] {});
    for (const char *name : {"orecs", "clock_bits"}) {
        const std::string before = option(name);
        EXPECT_EQ(tm_config_set(name, "10"), EBUSY);
        EXPECT_EQ(tm_config_set(name, "x"), EINVAL) << "a wrong value is wrong at any time";
        EXPECT_EQ(option(name), before);
    }
}

TEST(ConfigErrors, A6_options_hold_for_transactions_that_begin_later)
{
    const Option retries("max_retries", "2");
    TM_WITHOUT_BIAS();
    tm_stats before, after;
    tm_stats_get(&before);
    unsigned attempts = 0;
    Cell cell;
    atomically([&] {
        if (++attempts <= 3) be_overtaken(cell); // the first attempt and two restarts
    });
    tm_stats_get(&after);
    EXPECT_EQ(attempts, 4u);
    EXPECT_EQ(after.serial, before.serial + 1);
}

} // namespace
