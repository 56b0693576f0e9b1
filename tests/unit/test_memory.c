/* Free memory: what the kernel says, and the limits of control groups of both
 * versions, nested and seen from within a container. */
#include "data/memory.h"

#include "folder.h"

typedef struct
{
  const char *path, *text;
} File;

typedef struct
{
  const char *name;
  File files[10];
  guint64 wanted;
} Case;

#define MEMINFO                                                                \
  {                                                                            \
    "proc/meminfo",                                                            \
        "MemTotal:  9000 kB\nMemAvailable:   4000 kB\nBuffers: 7 kB\n"         \
  }
#define V1 "sys/fs/cgroup/memory/"
#define V2 "sys/fs/cgroup/"

static const Case cases[] = {
  { "nothing", { { "proc/other", "" } }, 0 },
  { "old-kernel", { { "proc/meminfo", "MemTotal: 9000 kB\n" } }, 0 },
  { "no-number", { { "proc/meminfo", "MemAvailable: much\n" } }, 0 },
  { "no-groups", { MEMINFO }, 4000 * 1024 },
  { "v2-free",
      { MEMINFO, { "proc/self/cgroup", "0::/a\n" },
          { V2 "a/memory.max", "max\n" }, { V2 "a/memory.current", "5\n" } },
      4000 * 1024 },
  { "v2",
      { MEMINFO, { "proc/self/cgroup", "0::/a\n" },
          { V2 "a/memory.max", "100000\n" },
          { V2 "a/memory.current", "30000\n" } },
      70000 },
  { "v2-reclaimable",
      { MEMINFO, { "proc/self/cgroup", "0::/a\n" },
          { V2 "a/memory.max", "100000\n" },
          { V2 "a/memory.current", "30000\n" },
          { V2 "a/memory.stat",
              "anon 5\ninactive_file_x 9\ninactive_file 10000\nslab 3\n" } },
      80000 },
  { "v2-above",
      { MEMINFO, { "proc/self/cgroup", "0::/a/b\n" },
          { V2 "a/memory.max", "50000\n" },
          { V2 "a/memory.current", "20000\n" },
          { V2 "a/b/memory.max", "100000\n" },
          { V2 "a/b/memory.current", "0\n" } },
      30000 },
  { "v2-container",
      { MEMINFO, { "proc/self/cgroup", "0::/outside/of/it\n" },
          { V2 "memory.max", "60000\n" }, { V2 "memory.current", "20000\n" } },
      40000 },
  { "v2-used-up",
      { MEMINFO, { "proc/self/cgroup", "0::/\n" },
          { V2 "memory.max", "60000\n" }, { V2 "memory.current", "60001\n" } },
      0 },
  { "v1",
      { MEMINFO, { "proc/self/cgroup", "9:pids:/p\n4:memory:/a\n0::/\n" },
          { V1 "a/memory.limit_in_bytes", "200000\n" },
          { V1 "a/memory.usage_in_bytes", "90000\n" },
          { V1 "a/memory.stat",
              "inactive_file 1\ntotal_inactive_file 50000\n" } },
      160000 },
  { "v1-free",
      { MEMINFO, { "proc/self/cgroup", "4:memory:/a\n" },
          { V1 "a/memory.limit_in_bytes", "9223372036854771712\n" },
          { V1 "a/memory.usage_in_bytes", "90000\n" } },
      4000 * 1024 },
  { "other-controller",
      { MEMINFO, { "proc/self/cgroup", "4:cpu:/a\n" },
          { V1 "a/memory.limit_in_bytes", "7\n" },
          { V1 "a/memory.usage_in_bytes", "0\n" } },
      4000 * 1024 },
};

/* The bytes that are left are those of the tightest limit. */
static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *root = folder_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (c->files) && c->files[i].path; i++) {
    g_autofree char *path = g_build_filename (root, c->files[i].path, NULL);
    g_autofree char *folder = g_path_get_dirname (path);

    g_assert_cmpint (g_mkdir_with_parents (folder, 0777), ==, 0);
    g_assert_true (g_file_set_contents (path, c->files[i].text, -1, NULL));
  }
  g_assert_cmpuint (defcn_memory_available (root), ==, c->wanted);
  folder_remove_all (root);
}

/* This machine has some. */
static void
test_here (void)
{
  if (g_file_test ("/proc/meminfo", G_FILE_TEST_EXISTS))
    g_assert_cmpuint (defcn_memory_available ("/"), >, 1 << 20);
  else
    g_test_skip ("no /proc");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/memory/%s", cases[i].name);

    g_test_add_data_func (path, &cases[i], test_case);
  }
  g_test_add_func ("/memory/here", test_here);
  return g_test_run ();
}
