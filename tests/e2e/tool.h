/* The tool `defcn`, run as people run it.  DEFCN_TOOL is its path. */
#pragma once

#include <cjson/cJSON.h>
#include <gio/gio.h>

/* Runs it with @args, NULL-terminated.  Returns: its exit status. */
static inline int
tool_run (char **out, char **err, const char *const *args)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (argv, (char *) g_getenv ("DEFCN_TOOL"));
  for (; *args; args++)
    g_ptr_array_add (argv, (char *) *args);
  g_ptr_array_add (argv, NULL);

  g_autoptr (GSubprocess) process =
      g_subprocess_newv ((const char *const *) argv->pdata,
          G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE,
          &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, out, err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  return g_subprocess_get_exit_status (process);
}

/* A number that has to be in @object. */
static inline double
tool_number (const cJSON *object, const char *name)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, name);

  g_assert_true (cJSON_IsNumber (item));
  return item->valuedouble;
}
