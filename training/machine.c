/* The machine that the process runs on. */
#include "machine.h"

#include <glib.h>
#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

char *
defcn_machine_processor (void)
{
  g_autofree char *text = NULL;
  struct utsname system = { 0 };

  if (g_file_get_contents ("/proc/cpuinfo", &text, NULL, NULL)) {
    const char *line = strstr (text, "\nmodel name");
    const char *name = line ? strstr (line, ": ") : NULL;

    if (name)
      return g_strndup (name + 2, strcspn (name + 2, "\n"));
  }
  uname (&system);
  return g_strdup (system.machine);
}

cJSON *
defcn_machine_to_json (void)
{
  cJSON *machine = cJSON_CreateObject ();
  struct utsname system = { 0 };
  g_autofree char *cpu = defcn_machine_processor ();
  g_autofree char *glib = g_strdup_printf ("%u.%u.%u", glib_major_version,
      glib_minor_version, glib_micro_version);
  const double pages = sysconf (_SC_PHYS_PAGES);

  uname (&system);
  g_autofree char *kernel =
      g_strdup_printf ("%s %s", system.sysname, system.release);
  cJSON_AddStringToObject (machine, "cpu", cpu);
  cJSON_AddNumberToObject (machine, "cores", g_get_num_processors ());
  if (pages > 0)
    cJSON_AddNumberToObject (machine, "memory_gib",
        round (pages * sysconf (_SC_PAGESIZE) / (1 << 30) * 10) / 10);
  cJSON_AddStringToObject (machine, "system", kernel);
  cJSON_AddStringToObject (machine, "defcn", DEFCN_VERSION);
  cJSON_AddStringToObject (machine, "glib", glib);
  return machine;
}
