/* defcn-live: cameras of an ini file through the project's elements, records as
 * JSON lines, and a web page. */
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth.h"
#include "config.h"
#include "elements.h"
#include "fleet.h"
#include "notify.h"
#include "server.h"

#define STOP_TIME (4 * G_USEC_PER_SEC)
#define WRITE_TIME (G_USEC_PER_SEC / 2)
#define STATUS_TIME 5 /* s */
#define MOST_DESCRIPTORS 65536

typedef struct
{
  const char *file;
  GMainLoop *loop;
  LiveRecords *records;
  LiveFleet *fleet;
  LiveServer *server; /* NULL: no page */

  GstElement *model;  /* keeps open what was tried last; NULL: nothing was */
  LiveConfig *coming; /* that is being tried; NULL: none */
  char *token;        /* of that file; NULL: none */
  gboolean again;     /* the file may have changed since */
  gboolean ending;
} Program;

typedef struct
{
  gboolean check, version;
  char **files;
} Options;

static gboolean
parse (Options *options, int argc, char **argv)
{
  const GOptionEntry entries[] = {
    { "check", 0, 0, G_OPTION_ARG_NONE, &options->check,
        "Check the file, the elements and the model, and end", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options->version,
        "Print the version, and end", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->files,
        NULL, NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("FILE.ini");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context,
      "Runs the cameras of FILE.ini, writes what is found on them as JSON "
      "lines\n"
      "and shows them on a web page, http://127.0.0.1:8080 unless told "
      "otherwise.\n"
      "The example that is installed beside it describes the file.");
  g_option_context_set_description (context,
      "SIGHUP reads the file again and opens the records' file anew, SIGTERM "
      "and\n"
      "SIGINT end.  " LIVE_AUTH_VARIABLE
      " in the environment is the token of the page\n"
      "if the file names none.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("defcn-live: %s\n", error->message);
    return FALSE;
  }
  if (options->version
      || (options->files && options->files[0] && !options->files[1]))
    return TRUE;
  g_printerr ("usage: defcn-live [--check] FILE.ini\n");
  return FALSE;
}

/* What GStreamer knows of the file, too; NULL after telling why not. */
static LiveConfig *
load (const char *file)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LiveConfig) config = live_config_load (file, &error);
  GStatBuf info;

  if (config && live_elements_check (config, &error)) {
    if (config->has_logins && g_stat (file, &info) == 0 && (info.st_mode & 077))
      g_warning ("%s has passwords of cameras and others can read it: "
                 "chmod 600",
          file);
    return g_steal_pointer (&config);
  }
  g_warning ("%s", error->message);
  return NULL;
}

/* (transfer full): NULL without one; FALSE after telling what is wrong. */
static gboolean
read_token (const LiveConfig *config, char **token)
{
  g_autoptr (GError) error = NULL;

  *token = g_strdup (g_getenv (LIVE_AUTH_VARIABLE));
  g_unsetenv (LIVE_AUTH_VARIABLE); /* whatever is started has no need of it */
  if (config->token_file) {
    g_free (*token);
    *token = live_auth_read_token (config->token_file, &error);
  } else if (*token && !live_auth_check_token (*token, &error)) {
    g_prefix_error (&error, LIVE_AUTH_VARIABLE ": ");
  }
  if (!error)
    return TRUE;
  g_warning ("[live] token-file: %s", error->message);
  return FALSE;
}

/* Whether the model is one that works, and knows what the cameras name. */
static gboolean
check_model (const LiveConfig *config)
{
  g_autoptr (GError) error = NULL;
  GstElement *model = live_elements_open (config, &error);

  if (!model)
    g_warning ("%s", error->message);
  live_elements_close (model);
  return model != NULL;
}

static gboolean
check_page (const LiveConfig *config, const char *token)
{
  g_autoptr (GError) error = NULL;

  if (live_server_check (config, token, &error))
    return TRUE;
  g_warning ("%s", error->message);
  return FALSE;
}

/* While it runs. */

static void
on_picture (LiveCamera *camera, gpointer data)
{
  Program *program = data;

  if (program->server)
    live_server_notify (program->server);
}

static gboolean
on_end (gpointer data)
{
  Program *program = data;

  g_main_loop_quit (program->loop);
  return G_SOURCE_CONTINUE;
}

/* Takes @config. */
static void
take (Program *program, LiveConfig *config)
{
  g_autofree char *fixed = live_config_fixed (program->fleet->config, config);

  if (fixed)
    g_warning ("%s: [live] %s: what has changed there takes a restart",
        program->file, fixed);
  if (program->server && program->fleet->config->token_file
      && config->token_file)
    live_server_set_token (program->server, program->token);
  live_fleet_update (program->fleet, config);
  g_message ("%s is read again: %u cameras", program->file,
      config->cameras->len);
}

/* In a thread of its own: a model takes its time. */
static void
try_model (GTask *task, gpointer source, gpointer data,
    GCancellable *cancellable)
{
  GError *error = NULL;
  GstElement *model = live_elements_open (data, &error);

  if (model)
    g_task_return_pointer (task, model, (GDestroyNotify) live_elements_close);
  else
    g_task_return_error (task, error);
}

static void on_tried (GObject *source, GAsyncResult *result, gpointer data);

/* Nothing changes before what the file says is known to work. */
static void
read_again (Program *program)
{
  g_autoptr (GTask) task = NULL;

  program->again = FALSE;
  g_clear_pointer (&program->token, g_free);
  program->coming = load (program->file);
  if (program->coming && !read_token (program->coming, &program->token))
    g_clear_pointer (&program->coming, live_config_free);
  if (!program->coming) {
    g_warning ("%s is not taken, all goes on as it was", program->file);
    live_notify_send ("READY=1");
    return;
  }
  live_config_share_model (program->coming, program->fleet->config);
  task = g_task_new (NULL, NULL, on_tried, program);
  g_task_set_task_data (task, program->coming, NULL);
  g_task_run_in_thread (task, try_model);
}

static void
on_tried (GObject *source, GAsyncResult *result, gpointer data)
{
  Program *program = data;
  g_autoptr (GError) error = NULL;
  GstElement *model = g_task_propagate_pointer (G_TASK (result), &error);
  g_autoptr (LiveConfig) config = g_steal_pointer (&program->coming);

  if (program->ending || program->again) {
    live_elements_close (model);
    if (!program->ending)
      read_again (program);
    return;
  }
  if (model) {
    take (program, g_steal_pointer (&config));
    live_elements_close (program->model);
    program->model = model;
  } else {
    g_warning ("%s", error->message);
    g_warning ("%s is not taken, all goes on as it was", program->file);
  }
  live_notify_send ("READY=1");
}

static gboolean
on_hangup (gpointer data)
{
  Program *program = data;
  g_autofree char *reloading =
      g_strdup_printf ("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT,
          g_get_monotonic_time ());

  if (program->ending)
    return G_SOURCE_CONTINUE;
  live_notify_send (reloading);
  live_records_reopen (program->records);
  if (program->coming)
    program->again = TRUE;
  else
    read_again (program);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_watchdog (gpointer data)
{
  live_notify_send ("WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

static gboolean
on_status (gpointer data)
{
  Program *program = data;
  g_autofree char *text = g_strdup_printf ("STATUS=%u of %u cameras run",
      live_fleet_running (program->fleet), program->fleet->cameras->len);

  live_notify_send (text);
  return G_SOURCE_CONTINUE;
}

static void
run (Program *program)
{
  const gint64 watchdog = live_notify_interval ();

  program->loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, on_end, program);
  g_unix_signal_add (SIGINT, on_end, program);
  g_unix_signal_add (SIGHUP, on_hangup, program);
  if (watchdog)
    g_timeout_add ((guint) MAX (watchdog / 1000, 1), on_watchdog, program);
  g_timeout_add_seconds (STATUS_TIME, on_status, program);
  live_notify_send ("READY=1");
  g_main_loop_run (program->loop);
  live_notify_send ("STOPPING=1");
  g_main_loop_unref (program->loop);
}

/* Ends the process where something hangs: whatever it is, no other one is
 * waiting for it. */
static void
stop (Program *program)
{
  gboolean ended;

  program->ending = TRUE;
  if (program->server)
    live_server_close (program->server);
  ended = live_fleet_stop (program->fleet, STOP_TIME) && !program->coming;
  while (g_main_context_iteration (NULL, FALSE)) /* the last records */
    ;
  live_server_free (program->server);
  live_records_free (program->records, WRITE_TIME);
  g_message ("ended");
  if (!ended)
    _exit (EXIT_SUCCESS);
  g_free (program->token);
  live_elements_close (program->model);
  live_fleet_free (program->fleet);
}

/* Records and page, before the cameras: what cannot be had is told at once. */
static gboolean
open_outputs (Program *program, const LiveConfig *config, const char *token)
{
  g_autoptr (GError) error = NULL;
  const gboolean page = !g_str_equal (config->listen, "none");

  program->records = live_records_new (config->records, &error);
  if (program->records && page)
    program->server = live_server_new (config, token, &error);
  if (error) {
    g_warning ("%s", error->message);
    return FALSE;
  }
  if (program->server)
    g_message ("page: http://%s%s%s:%u/%s",
        strchr (config->listen, ':') ? "[" : "", config->listen,
        strchr (config->listen, ':') ? "]" : "",
        live_server_port (program->server), token ? ", with a token" : "");
  return TRUE;
}

static int
live (const Options *options)
{
  Program program = { .file = options->files[0] };
  LiveConfig *config = load (program.file);
  g_autofree char *token = NULL;

  if (!config)
    return EXIT_FAILURE;
  if (!read_token (config, &token)) {
    live_config_free (config);
    return EXIT_FAILURE;
  }
  if (options->check) {
    const gboolean good = check_page (config, token) && check_model (config);

    if (good)
      g_print ("%s: %u camera%s\n", program.file, config->cameras->len,
          config->cameras->len == 1 ? "" : "s");
    live_config_free (config);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (!open_outputs (&program, config, token)) {
    live_records_free (program.records, 0);
    live_config_free (config);
    return EXIT_FAILURE;
  }
  program.fleet =
      live_fleet_new (config, program.records, on_picture, &program);
  if (program.server)
    live_server_show (program.server, program.fleet);
  run (&program);
  stop (&program);
  return EXIT_SUCCESS;
}

/* A camera has a dozen or two of them, and 1024 are what a process has unless
 * it asks for more. */
static void
raise_descriptors (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = MAX (limit.rlim_cur, MIN (limit.rlim_max, MOST_DESCRIPTORS));
  setrlimit (RLIMIT_NOFILE, &limit);
}

int
main (int argc, char **argv)
{
  Options options = { 0 };
  int status = 2;

#ifdef M_ARENA_MAX
  /* Every branch has threads of its own, and models come and go with them: in
   * many arenas what was freed is kept for ever. */
  mallopt (M_ARENA_MAX, 2);
#endif
  g_log_writer_default_set_use_stderr (TRUE);
  signal (SIGPIPE, SIG_IGN);
  raise_descriptors ();
  gst_init (&argc, &argv);
  if (!parse (&options, argc, argv)) {
    g_strfreev (options.files);
    return status;
  }
  if (options.version) {
    g_print ("defcn-live %s\n", DEFCN_VERSION);
    status = EXIT_SUCCESS;
  } else if (!live_elements_find_plugin ()) {
    g_printerr ("defcn-live: there is no element \"defcndetect\": set "
                "GST_PLUGIN_PATH to the folder of libgstdefcn.so\n");
  } else {
    status = live (&options);
  }
  g_strfreev (options.files);
  return status;
}
