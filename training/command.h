/* The subcommands of `defcn`, each in the file of its name.  argv[0] is the
 * subcommand; each prints its own --help.  Returns: exit status, 0 for
 * success, 1 for a failed run (message on stderr), 2 for wrong usage. */
#pragma once

int defcn_train_main (int argc, char **argv);
int defcn_eval_main (int argc, char **argv);
int defcn_detect_main (int argc, char **argv);
int defcn_export_main (int argc, char **argv);
int defcn_import_main (int argc, char **argv);
int defcn_info_main (int argc, char **argv);
int defcn_convert_main (int argc, char **argv);
int defcn_bench_main (int argc, char **argv);
int defcn_track_main (int argc, char **argv);
int defcn_report_main (int argc, char **argv);
