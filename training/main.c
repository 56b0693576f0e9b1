/* `defcn`: picks the subcommand. */
#include <glib.h>
#include <locale.h>
#include <stdio.h>

#include "command.h"

static const struct
{
  const char *name;
  int (*main) (int argc, char **argv);
  const char *summary;
} commands[] = {
  { "train", defcn_train_main, "train a detector on your data" },
  { "eval", defcn_eval_main, "measure a model on a data set" },
  { "detect", defcn_detect_main, "find objects in pictures" },
  { "import", defcn_import_main, "convert weights of other programs" },
  { "info", defcn_info_main, "tell what a model file holds" },
  { "bench", defcn_bench_main, "measure a network stage by stage" },
};

static void
print_usage (FILE *file)
{
  fprintf (file, "Usage: defcn COMMAND [OPTION...]\n\nCommands:\n");
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (file, "  %-8s %s\n", commands[i].name, commands[i].summary);
  fprintf (file,
      "\nEach has its own --help.  defcn --version tells the "
      "version.\n");
}

int
main (int argc, char **argv)
{
  const char *name = argc > 1 ? argv[1] : "";

  setlocale (LC_ALL, "");
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (name, commands[i].name))
      return commands[i].main (argc - 1, argv + 1);
  if (g_str_equal (name, "--version")) {
    printf ("defcn %s\n", DEFCN_VERSION);
    return 0;
  }
  if (g_str_equal (name, "--help") || g_str_equal (name, "help")) {
    print_usage (stdout);
    return 0;
  }
  if (*name)
    fprintf (stderr, "defcn: no command \"%s\"\n", name);
  print_usage (stderr);
  return 2;
}
