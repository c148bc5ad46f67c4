/* SPDX-License-Identifier: MIT */
/* Files as pools: created, opened, closed, checked, refused. */
#include "twin.h"
#include <fcntl.h>

static const char *path;
static char other[4096];

static int exists(const char *name)
{
    struct stat about;
    return stat(name, &about) == 0;
}

static void make_file(const char *name, const char *bytes, size_t size, off_t length)
{
    const int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || ftruncate(fd, length)) exit(3);
    close(fd);
}

static void opened(PMEMobjpool *pop)
{
    if (pop) pmemobj_close(pop);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) return 2;
    path = argv[1];
    snprintf(other, sizeof other, "%s-other", path);
    umask(0);

    HEADING("what is not there");
    SHOW_PTR(pmemobj_open(path, "twins"));
    SHOW(pmemobj_check(path, "twins"));
    SHOW_BOOL(exists(path));
    SHOW_PTR(pmemobj_create("/nowhere/at/all", "twins", pool_size, 0600));

    HEADING("sizes and layouts that are refused");
    SHOW_PTR(pmemobj_create(path, "twins", PMEMOBJ_MIN_POOL - 1, 0600));
    SHOW_BOOL(exists(path));
    SHOW_PTR(pmemobj_create(path, "twins", 1, 0600));
    SHOW_BOOL(exists(path));
    char layout[PMEMOBJ_MAX_LAYOUT + 1];
    memset(layout, 'l', sizeof layout);
    layout[PMEMOBJ_MAX_LAYOUT] = '\0'; /* one byte too many, with the null byte */
    SHOW_PTR(pmemobj_create(path, layout, pool_size, 0600));
    SHOW_BOOL(exists(path));

    HEADING("the longest layout and the smallest pool");
    layout[PMEMOBJ_MAX_LAYOUT - 1] = '\0';
    PMEMobjpool *pop = (PMEMobjpool *)SHOW_PTR(pmemobj_create(path, layout, PMEMOBJ_MIN_POOL, 0640));
    struct stat about;
    stat(path, &about);
    printf("mode %03o\n", (unsigned)about.st_mode & 0777U);
    pmemobj_close(pop);
    SHOW(pmemobj_check(path, layout));
    opened((PMEMobjpool *)SHOW_PTR(pmemobj_open(path, layout)));
    layout[PMEMOBJ_MAX_LAYOUT - 2] = '\0';
    SHOW_PTR(pmemobj_open(path, layout));
    unlink(path);

    HEADING("created, in use, closed, opened");
    pop = (PMEMobjpool *)SHOW_PTR(pmemobj_create(path, "twins", pool_size, 0600));
    SHOW_PTR(pmemobj_create(path, "twins", pool_size, 0600));
    SHOW_PTR(pmemobj_open(path, "twins"));
    SHOW_BOOL(pmemobj_get_user_data(pop) == NULL);
    int mine = 1;
    pmemobj_set_user_data(pop, &mine);
    SHOW_BOOL(pmemobj_get_user_data(pop) == &mine);
    pmemobj_set_user_data(pop, NULL);
    SHOW_BOOL(pmemobj_get_user_data(pop) == NULL);
    pmemobj_set_user_data(pop, &mine);
    pmemobj_close(pop);
    SHOW(pmemobj_check(path, "twins"));
    SHOW(pmemobj_check(path, NULL));
    SHOW_PTR(pmemobj_create(path, "twins", pool_size, 0600));
    pop = (PMEMobjpool *)SHOW_PTR(pmemobj_open(path, "twins"));
    SHOW_BOOL(pmemobj_get_user_data(pop) == NULL);
    pmemobj_close(pop);

    HEADING("layouts");
    opened((PMEMobjpool *)SHOW_PTR(pmemobj_open(path, NULL)));
    SHOW_PTR(pmemobj_open(path, "twin"));
    SHOW_PTR(pmemobj_open(path, "twinsy"));
    SHOW_PTR(pmemobj_open(path, ""));
    SHOW_PTR(pmemobj_open(path, "Twins"));
    opened((PMEMobjpool *)SHOW_PTR(pmemobj_open(path, "twins")));
    unlink(path);
    pmemobj_close((PMEMobjpool *)SHOW_PTR(pmemobj_create(path, NULL, pool_size, 0600)));
    opened((PMEMobjpool *)SHOW_PTR(pmemobj_open(path, NULL)));
    opened((PMEMobjpool *)SHOW_PTR(pmemobj_open(path, "")));
    SHOW_PTR(pmemobj_open(path, "x"));
    SHOW(pmemobj_check(path, ""));
    unlink(path);

    HEADING("files made by the caller");
    SHOW_PTR(pmemobj_create(path, "twins", 0, 0600));
    make_file(path, "", 0, 0);
    SHOW_PTR(pmemobj_create(path, "twins", 0, 0600));
    make_file(path, "", 0, PMEMOBJ_MIN_POOL - 1);
    SHOW_PTR(pmemobj_create(path, "twins", 0, 0600));
    make_file(path, "data", 4, pool_size);
    SHOW_PTR(pmemobj_create(path, "twins", 0, 0600));
    SHOW_BOOL(exists(path));
    make_file(path, "", 0, pool_size);
    SHOW_PTR(pmemobj_create(path, "twins", pool_size, 0600)); /* there, so its size must be 0 */
    pmemobj_close((PMEMobjpool *)SHOW_PTR(pmemobj_create(path, "twins", 0, 0600)));
    opened((PMEMobjpool *)SHOW_PTR(pmemobj_open(path, "twins")));
    SHOW_PTR(pmemobj_create(path, "twins", 0, 0600)); /* a pool by now */
    unlink(path);

    HEADING("files that are no pools");
    make_file(path, "", 0, pool_size);
    SHOW_PTR(pmemobj_open(path, "twins"));
    make_file(path, "no pool at all", 14, pool_size);
    SHOW_PTR(pmemobj_open(path, "twins"));
    make_file(path, "no pool at all", 14, 14);
    SHOW_PTR(pmemobj_open(path, "twins"));
    unlink(path);

    HEADING("two pools at once");
    pop = (PMEMobjpool *)SHOW_PTR(pmemobj_create(path, "one", pool_size, 0600));
    PMEMobjpool *second = (PMEMobjpool *)SHOW_PTR(pmemobj_create(other, "other", pool_size, 0600));
    const PMEMoid a = SHOW_OID(pmemobj_root(pop, 100)), b = SHOW_OID(pmemobj_root(second, 100));
    SHOW_BOOL(OID_EQUALS(a, b));
    SHOW_BOOL(pmemobj_pool_by_oid(a) == pop);
    SHOW_BOOL(pmemobj_pool_by_oid(b) == second);
    SHOW_BOOL(pmemobj_pool_by_ptr(pmemobj_direct(a)) == pop);
    SHOW_BOOL(pmemobj_pool_by_ptr(pmemobj_direct(b)) == second);
    memset(pmemobj_direct(a), 'a', 100);
    memset(pmemobj_direct(b), 'b', 100);
    pmemobj_persist(pop, pmemobj_direct(a), 100);
    pmemobj_persist(second, pmemobj_direct(b), 100);
    pmemobj_close(pop);
    SHOW_BOOL(pmemobj_pool_by_oid(a) == NULL);
    SHOW_BOOL(pmemobj_direct(a) == NULL);
    SHOW_BOOL(all_bytes_are(pmemobj_direct(b), 'b', 100));
    pop = (PMEMobjpool *)SHOW_PTR(pmemobj_open(path, "one"));
    SHOW_BOOL(pmemobj_pool_by_oid(a) == pop); /* handles live as long as the files */
    SHOW_BOOL(all_bytes_are(pmemobj_direct(a), 'a', 100));
    SHOW_BOOL(OID_EQUALS(a, pmemobj_root(pop, 100)));
    pmemobj_close(second);
    pmemobj_close(pop);
    SHOW(pmemobj_check(path, "one"));
    SHOW(pmemobj_check(other, "other"));
    return 0;
}
