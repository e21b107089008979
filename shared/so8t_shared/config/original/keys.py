"""The table of original keys: what each becomes, or why it has no effect.

The names of section training are those of transformers' TrainingArguments, of all versions since 4.30; those of qlora
and quantization include peft's LoraConfig and transformers' BitsAndBytesConfig. A new mapping is one row.
"""

from __future__ import annotations

from so8t_shared.config.original import values as v
from so8t_shared.config.original import values_course as course
from so8t_shared.config.original import values_data as data
from so8t_shared.config.original import values_model as model
from so8t_shared.config.original.row import Row, unused
from so8t_shared.config.original.unused import UNUSED

_FOUND_IN_CONFIG = "it is read from the checkpoint's config.json"

_USED: tuple[Row, ...] = (
    Row("device", "device", v.device),
    Row("inputs_root", "inputs_root"),
    # the model
    Row("model.base_model", "model_b.base_model"),
    Row("model.model_name_or_path", "model_b.base_model"),
    Row("model.torch_dtype", "training.dtype", model.dtype),
    Row("model.dtype", "training.dtype", model.dtype),
    Row("model.max_length", "training.max_length"),
    # data
    Row("data.train_data", "dataset.paths", data.rows),
    *(Row(key, "dataset.paths", data.rows) for key in data.VALIDATION_KEYS),
    Row("data.train_data_dir", "dataset.paths", data.newest_rows),
    Row("data.fallback_train_data", "dataset.paths", data.newest_rows),
    Row("data.test_data", "ab_test.test_data"),
    Row("data.max_seq_length", "training.max_length"),
    Row("data.max_length", "training.max_length"),
    # LoRA
    Row("qlora.enabled", "training.use_full_finetuning", v.negated),
    Row("qlora.r", "training.lora.r"),
    Row("qlora.lora_alpha", "training.lora.alpha"),
    Row("qlora.lora_dropout", "training.lora.dropout"),
    Row("qlora.target_modules", "training.lora.target_modules", model.target_modules),
    Row("quantization.load_in_8bit", "training.base_bits", model.base_bits),
    Row("quantization.load_in_4bit", "training.base_bits", model.base_bits),
    Row("quantization.use_bf16", "training.dtype", model.dtype),
    Row("quantization.use_fp16", "training.dtype", model.dtype),
    # SO8T and PET
    Row("so8t.enabled", "training.so8t.enabled"),
    Row("so8t.layer_indices", "training.so8t.layers"),
    Row("pet.enabled", "training.pet.lambdas", course.pet_lambdas),
    Row("pet.lambda_exploration", "training.pet.lambdas", course.pet_lambdas),
    Row("pet.lambda_transition", "training.pet.lambdas", course.pet_lambdas),
    Row("pet.lambda_stabilization", "training.pet.lambdas", course.pet_lambdas),
    Row("pet.exploration_ratio", "training.pet.boundaries", course.pet_boundaries),
    Row("pet.transition_ratio", "training.pet.boundaries", course.pet_boundaries),
    Row("pet.stabilization_ratio", "training.pet.boundaries", course.pet_boundaries),
    # TrainingArguments
    Row("training.num_train_epochs", "training.epochs"),
    Row("training.max_steps", "training.max_steps", v.positive("-1 means: all epochs")),
    Row("training.per_device_train_batch_size", "training.batch_size"),
    Row("training.per_gpu_train_batch_size", "training.batch_size"),
    Row("training.gradient_accumulation_steps", "training.gradient_accumulation_steps"),
    Row("training.learning_rate", "training.learning_rate"),
    Row("training.weight_decay", "training.weight_decay"),
    Row("training.max_grad_norm", "training.max_grad_norm", course.gradient_norm),
    Row("training.optim", "training.optimizer", model.optimizer),
    Row("training.adam_beta1", "training.adam_beta1"),
    Row("training.adam_beta2", "training.adam_beta2"),
    Row("training.adam_epsilon", "training.adam_epsilon"),
    Row("training.lr_scheduler_type", "training.lr_scheduler", course.scheduler),
    Row("training.warmup_ratio", "training.warmup_ratio", course.warmup_ratio),
    Row("training.warmup_steps", "training.warmup_ratio", course.warmup_ratio),
    Row("training.bf16", "training.dtype", model.dtype),
    Row("training.fp16", "training.dtype", model.dtype),
    Row("training.gradient_checkpointing", "training.gradient_checkpointing"),
    Row("training.activation_checkpointing", "training.gradient_checkpointing"),
    Row("training.seed", "training.seed"),
    Row("training.save_steps", "training.checkpoint_every_steps", v.steps),
    Row("training.save_total_limit", "training.checkpoints_kept", v.positive("0 keeps all; training.checkpoints_kept")),
    Row("training.eval_strategy", "dataset.validation_fraction", course.validation),
    Row("training.evaluation_strategy", "dataset.validation_fraction", course.validation),
    Row("training.eval_steps", "training.validate_every_steps", course.validation_steps),
    Row("training.load_best_model_at_end", "training.keep_best"),
    Row("training.early_stopping_patience", "training.early_stopping.patience"),
    Row("training.early_stopping_threshold", "training.early_stopping.min_delta"),
    Row("training.report_to", "training.report_to", course.trackers),
    Row("training.use_cpu", "device", v.if_true("cpu", "device decides")),
    Row("training.no_cuda", "device", v.if_true("cpu", "device decides")),
    # the file's own pipeline
    Row("pipeline.base_output_dir", "output_base_dir"),
    Row("pipeline.model_name", "ollama.model_b_name", v.lower_name),
)

ROWS: tuple[Row, ...] = (*_USED, *UNUSED, *unused("model", _FOUND_IN_CONFIG, "model_type"))

BY_KEY = {row.key: row for row in ROWS}

SECTIONS = {row.key.partition(".")[0] for row in ROWS if "." in row.key}
