/* `defcn`: picks the subcommand. */
#include <errno.h>
#include <glib.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "spin.h"
#include "terminal.h"

static const struct
{
  const char *name;
  int (*main) (int argc, char **argv);
  const char *summary;
} commands[] = {
  { "train", defcn_train_main, "train a detector on your data" },
  { "eval", defcn_eval_main, "measure a model on a data set" },
  { "detect", defcn_detect_main, "find objects in pictures" },
  { "track", defcn_track_main, "follow objects through pictures" },
  { "import", defcn_import_main, "convert weights of other programs" },
  { "export", defcn_export_main, "write a model for other programs (ONNX)" },
  { "convert", defcn_convert_main, "turn annotations into another format" },
  { "info", defcn_info_main, "tell what a model file holds" },
  { "report", defcn_report_main, "show training runs on a page" },
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

/* Text out of files goes through here: no control character of it reaches a
 * terminal. */
static void
print_clean (FILE *file, const char *text)
{
  g_autofree char *clean = defcn_terminal_text (text, '?', TRUE);

  fputs (clean, file);
}

static void
on_print (const char *text)
{
  print_clean (stdout, text);
}

static void
on_printerr (const char *text)
{
  print_clean (stderr, text);
}

static void
on_log (const char *domain, GLogLevelFlags level, const char *text,
    gpointer data)
{
  if (level & G_LOG_LEVEL_WARNING)
    g_printerr ("defcn: %s\n", text);
  else
    g_log_default_handler (domain, level, text, data);
}

/* What a command wrote is written, or it has failed. */
static int
close_output (int status)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return status;
  g_printerr ("defcn: standard output cannot be written: %s\n",
      g_strerror (errno));
  return status ? status : 1;
}

static int
run_command (int argc, char **argv)
{
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++) {
    if (!g_str_equal (argv[1], commands[i].name))
      continue;
    g_autofree char *whole = g_strdup_printf ("defcn %s", commands[i].name);

    g_set_prgname (whole); /* of the usage */
    argv[1] = whole;
    return commands[i].main (argc - 1, argv + 1);
  }
  return -1;
}

/* OpenMP has read its settings before main(): the program begins again.  Where
 * that fails it goes on as it is. */
static void
set_spin (char **argv)
{
  if (!defcn_spin_is_open ())
    return;
  defcn_spin_set ();
  execv ("/proc/self/exe", argv);
  g_unsetenv ("GOMP_SPINCOUNT");
}

int
main (int argc, char **argv)
{
  const char *name = argc > 1 ? argv[1] : "";

  set_spin (argv);
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C"); /* what is printed is read by programs */
  g_set_print_handler (on_print);
  g_set_printerr_handler (on_printerr);
  g_log_set_default_handler (on_log, NULL);
  signal (SIGXFSZ, SIG_IGN); /* a file too large is an error like others */
  const int status = argc > 1 ? run_command (argc, argv) : -1;
  if (status >= 0)
    return close_output (status);
  if (g_str_equal (name, "--version")) {
    printf ("defcn %s\n", DEFCN_VERSION);
    return close_output (0);
  }
  if (g_str_equal (name, "--help") || g_str_equal (name, "help")) {
    print_usage (stdout);
    return close_output (0);
  }
  if (*name)
    fprintf (stderr, "defcn: no command \"%s\"\n", name);
  print_usage (stderr);
  return 2;
}
