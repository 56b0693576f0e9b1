/* --device, --precision, --threads, --exact, --max-edge, --autotune. */
#include "device_options.h"

#include "tune.h"

void
defcn_device_options_add (DefcnDetectorOptions *o, GOptionContext *context,
    DefcnDeviceOptionsFlags flags)
{
  const struct
  {
    DefcnDeviceOptionsFlags flag; /* 0: always there */
    GOptionEntry entry;
  } options[] = {
    { 0,
        { "device", 'd', 0, G_OPTION_ARG_STRING, &o->device,
            "auto, cpu, reference, cuda (auto)", "NAME" } },
    { 0,
        { "precision", 0, 0, G_OPTION_ARG_STRING, &o->precision,
            flags & DEFCN_DEVICE_OPTIONS_TRAIN
                ? "fp32, bf16, on CUDA tf32 too (the recipe's)"
                : "auto, fp32, bf16, on CUDA tf32 and fp16 too (auto)",
            "NAME" } },
    { DEFCN_DEVICE_OPTIONS_THREADS,
        { "threads", 0, 0, G_OPTION_ARG_INT, &o->threads,
            "CPU threads (one per core)", "N" } },
    { DEFCN_DEVICE_OPTIONS_EXACT,
        { "exact", 0, 0, G_OPTION_ARG_NONE, &o->exact,
            "Direct convolution on the CPU: slower, rounds less", NULL } },
    { DEFCN_DEVICE_OPTIONS_MAX_EDGE,
        { "max-edge", 0, 0, G_OPTION_ARG_INT, &o->max_edge,
            "Longest side of the pictures that a model may want (2048)",
            "N" } },
    { DEFCN_DEVICE_OPTIONS_AUTOTUNE,
        { "autotune", 0, 0, G_OPTION_ARG_NONE, &o->autotune,
            "Measure on CUDA which kernels are fastest, and keep it beside "
            "the model",
            NULL } },
  };
  GOptionGroup *group = g_option_context_get_main_group (context);

  for (gsize i = 0; i < G_N_ELEMENTS (options); i++) {
    const GOptionEntry entries[] = { options[i].entry, { NULL } };

    if ((flags & options[i].flag) == options[i].flag)
      g_option_group_add_entries (group, entries);
  }
}

void
defcn_device_options_clear (DefcnDetectorOptions *o)
{
  g_free ((char *) o->device);
  g_free ((char *) o->precision);
}

DefcnBackend *
defcn_device_options_open (const DefcnDetectorOptions *o, const char *model,
    GError **error)
{
  DefcnBackend *be =
      defcn_backend_new_in (o->device, o->precision, o->threads, error);

  if (!be)
    return NULL;
  be->exact = o->exact;
  if (o->autotune)
    be->tune = defcn_tune_open (model);
  return be;
}
