/* SPDX-License-Identifier: MIT */
/* A6: the options that are to be set before the first transaction of the process. */
#include <errno.h>
#include <string.h>
#include <tm/tm.h>

#include "check.h"

static int holds(const char *name, const char *value)
{
    char buf[32];
    return tm_config_get(name, buf, sizeof buf) == (int)strlen(value) && strcmp(buf, value) == 0;
}

int main(void)
{
    static long values[1000];
    CHECK(holds("orecs", "20") && holds("clock_bits", "60"));
    CHECK(holds("mode", "write-back") && holds("contention", "backoff") && holds("max_retries", "100"));
    CHECK(holds("spin", "300") && holds("wait", "1000") && holds("quiescence", "on") && holds("verbose", "off"));
    CHECK(tm_config_set("orecs", "29") == EINVAL && tm_config_set("clock_bits", "3") == EINVAL && tm_config_set("clock_bits", "61") == EINVAL);
    CHECK(tm_config_set("orecs", "3") == 0 && tm_config_set("clock_bits", "8") == 0);
    CHECK(holds("orecs", "3") && holds("clock_bits", "8"));
    tm_store_i64(&values[0], tm_load_i64(&values[0]) + 1); /* outside of a transaction: does not count as one */
    CHECK(tm_config_set("orecs", "4") == 0);

    for (int i = 0; i < 1000; ++i) { /* past the end of the small clock */
        tm_begin
            tm_store(&values[i], 5L);
        tm_commit
            CHECK(!"an error");
        tm_end
    }
    CHECK(values[0] == 5 && values[999] == 5);
    CHECK(tm_config_set("orecs", "10") == EBUSY && tm_config_set("clock_bits", "10") == EBUSY);
    CHECK(holds("orecs", "4") && holds("clock_bits", "8"));
    CHECK(tm_config_set("mode", "write-through") == 0);
    return check_result();
}
