/* `defcn train`: load, forward, assign, loss, backward, update, evaluate,
 * save. */
#include "command.h"
#include "drawing/plot.h"
#include "eval/evaluate.h"
#include "machine.h"
#include "ranks/launcher.h"
#include "train/run.h"
#include "train/joint.h"

#include <math.h>
#include <signal.h>
#include <string.h>

/* Updates without a finite gradient in a row that end the run. */
#define MAX_LOST_UPDATES 20

static volatile sig_atomic_t interrupted;

static void
on_signal (int number)
{
  interrupted = number;
}

/* Forward, assign, loss and backward of this rank's part of the batch. */
static gboolean
compute_gradients (DefcnRun *run, DefcnExample **examples,
    DefcnStepLosses *losses, GError **error)
{
  if (!defcn_loader_next (run->loader, examples, error))
    return FALSE;
  defcn_step_set_alpha (run->step,
      defcn_recipe_alpha (run->recipe, run->state.iteration));
  const gboolean good = defcn_step_run (run->step, examples, run->share,
      run->micro, losses, error);
  for (int i = 0; i < run->share; i++)
    g_clear_pointer (&examples[i], defcn_example_free);
  return good;
}

/* An update that was none; too many of them end the run. */
static gboolean
skip_update (DefcnRun *run, GError **error)
{
  if (defcn_run_leads (run))
    defcn_progress_message (run->progress,
        "iteration %" G_GINT64_FORMAT ": the gradient is not finite, update "
        "skipped",
        run->state.iteration);
  if (++run->lost < MAX_LOST_UPDATES)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%d updates in a row without a finite gradient: lower lr, lengthen "
      "warmup or set clip_norm",
      run->lost);
  return FALSE;
}

/* One update: load, forward, assign, loss, backward, update. */
static gboolean
update (DefcnRun *run, DefcnExample **examples, GError **error)
{
  DefcnJointUpdate update = { 0 };

  if (!compute_gradients (run, examples, &update.losses, error))
    return FALSE;
  update.norm =
      defcn_optimizer_step (run->state.optimizer, run->state.iteration);
  defcn_params_upload (defcn_model_params (run->state.model));
  run->state.iteration++;
  update.stop = interrupted;
  const gboolean good =
      defcn_joint_update (run->ranks, &update, run->state.iteration, error);
  run->lost += update.parted; /* of two models none is saved */
  if (!good)
    return FALSE;
  if (update.stop && !interrupted)
    interrupted = update.stop;
  run->stopping = update.stop != 0;
  if (!isfinite (update.norm) || !isfinite (update.losses.total))
    return skip_update (run, error);
  run->lost = 0;
  defcn_step_add_losses (&run->sum, &update.losses);
  run->sum.n_foreground += update.losses.n_foreground;
  run->norm += update.norm;
  run->n++;
  return TRUE;
}

/* The share of all pictures so far that the decoder was spared; *@text is that
 * for people, "" without a cache; (transfer full). */
static void
log_cache (DefcnRun *run, cJSON *line, char **text)
{
  DefcnCacheStats stats;

  defcn_loader_cache (run->loader, &stats);
  if (stats.limit == 0) {
    *text = g_strdup ("");
    return;
  }

  const double share = (double) stats.hits / MAX (stats.gets, 1);
  cJSON_AddNumberToObject (line, "cached", share);
  cJSON_AddNumberToObject (line, "cache_mib", stats.bytes / 1048576.0);
  *text = g_strdup_printf (" cached %.0f%%", 100 * share);
  if (stats.is_full && !run->cache_is_full)
    defcn_progress_message (run->progress,
        "the %" G_GUINT64_FORMAT " MiB for decoded pictures are full: %u are "
        "kept, the others decoded every time (cache)",
        stats.limit >> 20, stats.pictures);
  run->cache_is_full = stats.is_full;
}

/* A line that says where the updates from here on are made, before the first of
 * them: a folder whose run has done nothing is as good as new. */
static gboolean
log_machine (DefcnRun *run, GError **error)
{
  const DefcnBackend *be = run->be;

  if (run->machine_is_logged)
    return TRUE;
  cJSON *line = cJSON_CreateObject (), *machine = defcn_machine_to_json ();
  run->machine_is_logged = TRUE;
  cJSON_AddStringToObject (machine, "device", be->name);
  cJSON_AddStringToObject (machine, "precision", be->precision);
  if (be->library)
    cJSON_AddStringToObject (machine, "engine", be->library);
  cJSON_AddNumberToObject (machine, "threads", be->threads);
  if (run->ranks)
    cJSON_AddStringToObject (machine, "reduce",
        run->collective ? "nccl" : "mpi");
  cJSON_AddNumberToObject (line, "iteration", run->first);
  cJSON_AddItemToObject (line, "machine", machine);
  return defcn_metrics_write (run->metrics, line, error);
}

/* The share of the time in which rank 0 waited for others, and the bytes of
 * gradients that each gave and took. */
static void
log_ranks (const DefcnRun *run, cJSON *line, double seconds)
{
  if (!run->ranks)
    return;
  cJSON_AddNumberToObject (line, "ranks", defcn_ranks_size (run->ranks));
  cJSON_AddNumberToObject (line, "waited_for_ranks",
      (defcn_ranks_waited (run->ranks) - run->waited_for_ranks) / seconds);
  cJSON_AddNumberToObject (line, "summed_mib",
      defcn_ranks_summed (run->ranks) / 1048576.0);
}

/* Of what the lines say; begins the next. */
static void
begin_line (DefcnRun *run)
{
  run->sum = (DefcnStepLosses){ 0 };
  run->norm = run->n = 0;
  run->waited = defcn_loader_waited (run->loader);
  run->waited_for_ranks = defcn_ranks_waited (run->ranks);
  run->since = g_get_monotonic_time ();
}

/* One line of metrics over the updates since the last one. */
static gboolean
log_updates (DefcnRun *run, GError **error)
{
  const double seconds = (g_get_monotonic_time () - run->since) * 1e-6;
  const double n = run->n, waited = defcn_loader_waited (run->loader);
  const int batch = run->recipe->loader.batch;
  g_autofree char *cached = NULL;

  if (!defcn_run_leads (run)) {
    begin_line (run);
    return TRUE;
  }

  cJSON *line = cJSON_CreateObject ();
  cJSON_AddNumberToObject (line, "iteration", run->state.iteration);
  cJSON_AddNumberToObject (line, "epoch",
      (double) run->state.iteration / defcn_loader_epoch (run->loader));
  cJSON_AddNumberToObject (line, "lr",
      defcn_optimizer_lr (&run->recipe->optimizer, run->state.iteration - 1));
  cJSON_AddNumberToObject (line, "loss", run->sum.total / n);
  cJSON_AddNumberToObject (line, "loss_cls", run->sum.cls / n);
  cJSON_AddNumberToObject (line, "loss_box", run->sum.box / n);
  cJSON_AddNumberToObject (line, "loss_aux", run->sum.aux / n);
  if (run->recipe->spec->centerness)
    cJSON_AddNumberToObject (line, "loss_centerness", run->sum.centerness / n);
  cJSON_AddNumberToObject (line, "foreground", run->sum.n_foreground / n);
  cJSON_AddNumberToObject (line, "grad_norm", run->norm / n);
  cJSON_AddNumberToObject (line, "images_per_second", n * batch / seconds);
  cJSON_AddNumberToObject (line, "waited", (waited - run->waited) / seconds);
  log_ranks (run, line, seconds);
  log_cache (run, line, &cached);
  defcn_progress_update (run->progress, run->state.iteration,
      "%.1f images/s loss %.4f cls %.4f box %.4f aux %.4f lr %.3g%s",
      n * batch / seconds, run->sum.total / n, run->sum.cls / n,
      run->sum.box / n, run->sum.aux / n,
      defcn_optimizer_lr (&run->recipe->optimizer, run->state.iteration - 1),
      cached);
  begin_line (run);
  if (!log_machine (run, error)) {
    cJSON_Delete (line);
    return FALSE;
  }
  return defcn_metrics_write (run->metrics, line, error);
}

/* Copies the averaged weights into the inference model. */
static gboolean
update_eval_model (DefcnRun *run, GError **error)
{
  if (!run->eval_model)
    run->eval_model = defcn_model_new (defcn_model_spec (run->state.model),
        run->be, FALSE, 0, error);
  if (!run->eval_model)
    return FALSE;

  DefcnParams *from = defcn_model_params (run->state.model);
  DefcnParams *to = defcn_model_params (run->eval_model);
  defcn_params_download (from);
  defcn_optimizer_swap_ema (run->state.optimizer);
  for (guint i = 0; i < defcn_params_count (to); i++) {
    DefcnParam *p = defcn_params_get (to, i);
    const DefcnParam *q = defcn_params_lookup (from, p->name);

    memcpy (p->value, q->value, defcn_param_len (p) * sizeof (float));
  }
  defcn_optimizer_swap_ema (run->state.optimizer);
  defcn_params_upload (to);
  return TRUE;
}

/* The figures of the averaged weights.  An interrupt is no error: it leaves
 * @result stopped and the evaluation to the resumed run. */
static gboolean
measure (DefcnRun *run, DefcnFigures *result, GError **error)
{
  DefcnEvaluateOptions options = defcn_evaluate_defaults;
  g_autoptr (GError) problem = NULL;

  options.stop = &interrupted;
  options.progress = defcn_run_leads (run);
  options.ranks = run->ranks;
  if (!update_eval_model (run, error))
    return FALSE;
  run->state.unevaluated = TRUE;
  if (defcn_evaluate_model (run->eval_model, run->validation, &options, result,
          &problem)) {
    run->state.unevaluated = FALSE;
    return TRUE;
  }
  if (result->stopped)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* Evaluates, keeps the best model, draws the curve. */
static gboolean
evaluate (DefcnRun *run, GError **error)
{
  g_auto (DefcnFigures) result = { 0 };
  g_autofree char *best = defcn_run_file (run, "best.safetensors");
  g_autofree char *jsonl = defcn_run_file (run, "metrics.jsonl");
  g_autofree char *png = defcn_run_file (run, "curve.png");

  if (!run->validation) {
    run->state.unevaluated = FALSE;
    return TRUE;
  }
  if (!measure (run, &result, error))
    return FALSE;
  if (result.stopped || !defcn_run_leads (run))
    return TRUE;

  const double ap = defcn_figures_ap (&result);
  cJSON *line = cJSON_CreateObject ();
  cJSON_AddNumberToObject (line, "iteration", run->state.iteration);
  defcn_figures_to_json (&result, line);
  if (!defcn_metrics_write (run->metrics, line, error))
    return FALSE;
  g_autofree char *summary = defcn_figures_summary (&result);
  defcn_progress_message (run->progress, "iteration %" G_GINT64_FORMAT ": %s",
      run->state.iteration, summary);
  if (ap > run->state.best_ap) {
    run->state.best_ap = ap;
    if (!defcn_checkpoint_save_model (&run->state, best, ap,
            defcn_figures_ap50 (&result), error))
      return FALSE;
  }

  return defcn_plot_metrics (jsonl, png, error);
}

static gboolean
save_checkpoint (const DefcnRun *run, GError **error)
{
  g_autofree char *path = defcn_run_file (run, "checkpoint.safetensors");

  if (!defcn_run_leads (run))
    return TRUE;
  return defcn_checkpoint_save (&run->state, path, error);
}

/* An update, or what all ranks know of it, is where several stop together. */
static gboolean
stops (const DefcnRun *run)
{
  return run->ranks ? run->stopping : interrupted != 0;
}

static gboolean
due (const DefcnRun *run, gint64 interval)
{
  return interval > 0 && run->state.iteration % interval == 0;
}

static gboolean
run_updates (DefcnRun *run, gint64 stop, GError **error)
{
  const DefcnRecipe *recipe = run->recipe;
  g_autofree DefcnExample **examples = g_new0 (DefcnExample *, run->share);

  run->since = g_get_monotonic_time ();
  run->waited_for_ranks = defcn_ranks_waited (run->ranks);
  while (run->state.iteration < stop && !stops (run)) {
    if (!update (run, examples, error))
      return FALSE;
    if (run->n > 0 && due (run, recipe->log_interval)
        && !log_updates (run, error))
      return FALSE;
    const gint64 begin = g_get_monotonic_time ();
    const double waited = defcn_ranks_waited (run->ranks);
    if (run->state.iteration < run->last && due (run, recipe->eval_interval)
        && !evaluate (run, error))
      return FALSE;
    if (due (run, recipe->checkpoint_interval) && !save_checkpoint (run, error))
      return FALSE;
    run->since += g_get_monotonic_time () - begin; /* no time of updates */
    run->waited_for_ranks += defcn_ranks_waited (run->ranks) - waited;
  }
  return TRUE;
}

/* The last model and its figures. */
static gboolean
finish (DefcnRun *run, GError **error)
{
  g_autofree char *path = defcn_run_file (run, "model.safetensors");

  if (defcn_run_leads (run)
      && !defcn_checkpoint_save_model (&run->state, path, -1, -1, error))
    return FALSE;
  return evaluate (run, error);
}

/* What there is now, and what to do next. */
static void
tell_end (const DefcnRun *run)
{
  const char *folder = run->options->output;
  g_autofree char *ini = defcn_run_file (run, "recipe.ini");
  g_autofree char *model = defcn_run_file (run, "model.safetensors");
  g_autofree char *best = defcn_run_file (run, "best.safetensors");

  if (run->state.iteration < run->last || run->state.unevaluated)
    defcn_progress_message (run->progress,
        "stopped at iteration %" G_GINT64_FORMAT "%s; --resume goes on: "
        "defcn train %s -o %s --resume",
        run->state.iteration,
        run->state.unevaluated ? ", in its evaluation" : "", ini, folder);
  else if (run->state.best_ap >= 0)
    defcn_progress_message (run->progress,
        "done: %s; the best of its evaluations (AP %.3f): %s", model,
        run->state.best_ap, best);
  else
    defcn_progress_message (run->progress, "done: %s", model);
}

/* Whether the launcher's processes have found each other. */
static void
tell_ranks (const DefcnRun *run)
{
  if (run->ranks)
    defcn_progress_message (run->progress,
        "%d processes share each batch: %d images each",
        defcn_ranks_size (run->ranks), run->share);
  if (run->reduces)
    defcn_progress_message (run->progress, "%s", run->reduces);
}

/* How many decoded pictures may stay. */
static void
tell_cache (const DefcnRun *run)
{
  const int wanted = run->recipe->loader.cache;
  DefcnCacheStats stats;

  defcn_loader_cache (run->loader, &stats);
  if (stats.limit > 0)
    defcn_progress_message (run->progress,
        "decoded pictures: at most %" G_GUINT64_FORMAT " MiB are kept%s",
        stats.limit >> 20, wanted > 0 ? "" : ", a quarter of the free memory");
  else if (wanted < 0)
    defcn_progress_message (run->progress,
        "decoded pictures: none are kept, the system does not say how much "
        "memory is free (cache)");
}

static gboolean
loop (DefcnRun *run, GError **error)
{
  const gint64 stop = run->options->stop_after > 0
      ? MIN (run->last, run->options->stop_after)
      : run->last;

  if (defcn_run_leads (run)) {
    run->progress = defcn_progress_new ("train", run->last);
    tell_ranks (run);
    tell_cache (run);
    defcn_progress_update (run->progress, run->state.iteration, "start");
  }
  if (run->state.unevaluated && run->state.iteration < run->last
      && !evaluate (run, error))
    return FALSE;
  if (!run_updates (run, stop, error) || !save_checkpoint (run, error))
    return FALSE;
  if (run->state.iteration == run->last && !finish (run, error))
    return FALSE;
  if (defcn_run_leads (run))
    tell_end (run);
  return TRUE;
}

/* Saves what an error would lose, unless the weights are what is wrong. */
static void
rescue (DefcnRun *run)
{
  g_autoptr (GError) error = NULL;

  if (run->state.iteration == run->first || run->lost > 0
      || !defcn_run_leads (run))
    return;
  if (save_checkpoint (run, &error))
    defcn_progress_message (run->progress,
        "saved the checkpoint of iteration %" G_GINT64_FORMAT
        "; --resume goes on",
        run->state.iteration);
  else
    defcn_progress_message (run->progress,
        "no checkpoint of iteration %" G_GINT64_FORMAT ": %s",
        run->state.iteration, error->message);
}

/* The recipe, which is rank 0's, and the run.  Returns: whether all is well;
 * the run is closed. */
static gboolean
run_recipe (DefcnRun *run, GError **error)
{
  DefcnRecipe *own =
      defcn_run_leads (run) ? defcn_run_recipe (run->options, error) : NULL;
  g_autoptr (DefcnRecipe) recipe = own || !defcn_run_leads (run)
      ? defcn_joint_recipe (run->ranks, own, error)
      : NULL;

  run->recipe = recipe;
  run->state.recipe = recipe;
  const gboolean opened = recipe && defcn_run_open (run, error);
  const gboolean good = opened && loop (run, error);
  run->finished = run->state.iteration == run->last && !run->state.unevaluated;
  if (!good)
    defcn_ranks_fail (run->ranks, error);
  if (opened && !good)
    rescue (run);
  if (!good && defcn_ranks_speaks (run->ranks))
    g_printerr ("defcn train: %s\n", (*error)->message);
  /* the GPUs leave each other while the ranks are there */
  defcn_collective_free (g_steal_pointer (&run->collective), good);
  fflush (stdout); /* leaving a run that has failed ends the process */
  /* sums that are under way are in memory that closes with the run */
  defcn_ranks_free (run->ranks, good);
  defcn_run_close (run);
  return good;
}

static int
run_train (const DefcnRunOptions *o)
{
  struct sigaction action = { .sa_handler = on_signal,
    .sa_flags = SA_RESETHAND };
  DefcnRanksOptions ranks = defcn_ranks_defaults;
  g_autoptr (GError) error = NULL;
  DefcnRun run = { .options = o };

  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  if (defcn_launcher_size () > 1)
    sigaction (SIGUSR1, &action, NULL); /* mpirun passes it on */
  defcn_launcher_choose_device ();

  ranks.stop = &interrupted;
  ranks.silence = o->rank_timeout;
  if (!defcn_launcher_open (&run.ranks, &ranks, &error)) {
    g_printerr ("defcn train: %s\n", error->message);
    return 1;
  }

  const gboolean good = run_recipe (&run, &error);
  return !good ? 1 : interrupted && !run.finished ? 128 + interrupted : 0;
}

int
defcn_train_main (int argc, char **argv)
{
  DefcnRunOptions o = { 0 };
  g_autoptr (GError) error = NULL;
  int status = 2;

  if (!defcn_run_options_parse (&o, argc, argv, &error)) {
    g_printerr ("defcn train: %s\n", error->message);
  } else if (o.help_recipe) {
    g_autofree char *help = defcn_recipe_help ();

    g_print ("%s", help);
    status = 0;
  } else {
    status = run_train (&o);
  }
  defcn_run_options_clear (&o);
  return status;
}
