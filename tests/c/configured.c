/* SPDX-License-Identifier: MIT */
/*
 * What TM_CONF says, seen by the process. Arguments: `right`, or `wrong` and a word that the message must name, then pairs
 * option=value that must hold; `table` for the table of verbose mode.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tm/tm.h>

#include "check.h"

static void run_a_transaction(void)
{
    static long shared;
    tm_begin
        tm_store(&shared, tm_load(&shared) + 1);
    tm_commit
        CHECK(!"an error");
    tm_end
    CHECK(shared == 1);
}

static void table_is_printed_once_at_the_first_transaction(void)
{
    char name[] = "configured-XXXXXX";
    const int fd = mkstemp(name);
    CHECK(fd >= 0);
    CHECK(freopen(name, "w+", stderr) != NULL);
    run_a_transaction();
    fflush(stderr);
    static char text[1 << 16];
    FILE *const printed = fopen(name, "r");
    text[printed ? fread(text, 1, sizeof text - 1, printed) : 0] = '\0';
    remove(name);
    static const char *const options[] = {"mode", "contention", "max_retries", "spin", "wait", "quiescence", "orecs", "clock_bits", "verbose"};
    for (size_t i = 0; i < sizeof options / sizeof *options; ++i)
        if (!strstr(text, options[i])) {
            printf("the table does not name %s\n", options[i]);
            ++check_failures;
        }
}

int main(int argc, char **argv)
{
    int next = 2;
    const char *const wrong = tm_config_error();
    if (argc > 1 && strcmp(argv[1], "wrong") == 0) {
        if (!wrong || !strstr(wrong, argv[2])) {
            fprintf(stderr, "tm_config_error() is \"%s\", to name \"%s\"\n", wrong ? wrong : "(null)", argv[2]);
            return 1;
        }
        next = 3;
    } else {
        CHECK(wrong == NULL);
    }
    for (; next < argc; ++next) {
        char *const value = strchr(argv[next], '=');
        if (!value)
            continue;
        *value = '\0';
        char buf[64];
        CHECK(tm_config_get(argv[next], buf, sizeof buf) >= 0);
        if (strcmp(buf, value + 1) != 0) {
            fprintf(stderr, "%s is %s, not %s\n", argv[next], buf, value + 1);
            ++check_failures;
        }
    }
    if (argc > 1 && strcmp(argv[1], "table") == 0)
        table_is_printed_once_at_the_first_transaction();
    else
        run_a_transaction();
    return check_result();
}
