/* SPDX-License-Identifier: MIT */
/* F1, K1: the C11 interface with its type-generic accesses, for every scalar and pointer type. */
#include <stdbool.h>
#include <string.h>
#include <tm/tm.h>

#include "check.h"

static struct {
    char c;
    signed char sc;
    unsigned char uc;
    short s;
    unsigned short us;
    int i;
    unsigned u;
    long l;
    unsigned long ul;
    long long ll;
    unsigned long long ull;
    float f;
    double d;
    bool b;
    size_t z;
    void *vp;
    const char *cp;
    struct node {
        struct node *next;
    } node, *np;
    int (*fp)(const char *);
} s;

static int puts_to(const char *text)
{
    return text != NULL;
}

static void assign(const tm_attr *attr)
{
    memset(&s, 0, sizeof s);
    tm_begin_with(attr)
        tm_store(&s.c, 'c');
        tm_store(&s.sc, -1);
        tm_store(&s.uc, 255);
        tm_store(&s.s, -2);
        tm_store(&s.us, 65535);
        tm_store(&s.i, -3);
        tm_store(&s.u, 4000000000u);
        tm_store(&s.l, -4L);
        tm_store(&s.ul, 5UL);
        tm_store(&s.ll, -6LL);
        tm_store(&s.ull, 18446744073709551615ULL);
        tm_store(&s.f, 1.5f);
        tm_store(&s.d, -2.5);
        tm_store(&s.b, true);
        tm_store(&s.z, sizeof s);
        tm_store(&s.vp, &s);
        tm_store(&s.cp, "text");
        tm_store(&s.np, &s.node);
        tm_store(&s.node.next, &s.node);
        CHECK(tm_load(&s.c) == 'c');
        CHECK(tm_load(&s.sc) == -1);
        CHECK(tm_load(&s.uc) == 255);
        CHECK(tm_load(&s.s) == -2);
        CHECK(tm_load(&s.us) == 65535);
        CHECK(tm_load(&s.i) == -3);
        CHECK(tm_load(&s.u) == 4000000000u);
        CHECK(tm_load(&s.l) == -4);
        CHECK(tm_load(&s.ul) == 5);
        CHECK(tm_load(&s.ll) == -6);
        CHECK(tm_load(&s.ull) == 18446744073709551615ULL);
        CHECK(tm_load(&s.f) == 1.5f);
        CHECK(tm_load(&s.d) == -2.5);
        CHECK(tm_load(&s.b));
        CHECK(tm_load(&s.z) == sizeof s);
        CHECK(tm_load(&s.vp) == &s);
        const char *const text = tm_load(&s.cp);
        CHECK(strcmp(text, "text") == 0);
        struct node *const node = tm_load(&s.np);
        CHECK(tm_load(&node->next) == node);
    tm_commit
        CHECK(!"an error");
    tm_end
}

int main(void)
{
    static const tm_mode modes[] = {TM_WRITE_BACK, TM_WRITE_THROUGH};
    for (int k = 0; k < 2; ++k) {
        const tm_attr attr = {.mode = modes[k], .label = "generics"};
        assign(&attr);
        CHECK(s.c == 'c' && s.sc == -1 && s.uc == 255 && s.s == -2 && s.us == 65535 && s.i == -3 && s.u == 4000000000u);
        CHECK(s.l == -4 && s.ul == 5 && s.ll == -6 && s.ull == 18446744073709551615ULL && s.b && s.z == sizeof s);
        CHECK(s.f == 1.5f && s.d == -2.5 && s.vp == (void *)&s && strcmp(s.cp, "text") == 0 && s.np == &s.node);
    }
    /* The short form, and the type of what comes back. */
    tm_begin
        tm_store(&s.i, tm_load(&s.i) + 1);
        CHECK(sizeof(tm_load(&s.c)) == 1 && sizeof(tm_load(&s.ull)) == 8 && sizeof(tm_load(&s.f)) == sizeof(float));
    tm_commit
        CHECK(!"an error");
    tm_end
    CHECK(s.i == -2);
    CHECK(puts_to("text"));
    return check_result();
}
