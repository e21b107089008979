"""Original keys without effect, by the reason."""

from __future__ import annotations

from so8t_shared.config.original.row import Row, unused

_KEPT = "checkpoints are kept in checkpoint_dir, results in output_base_dir"
_EVALUATOR = "the evaluator asks both models, with the settings of ab_test"
_LOGGED = "every step is logged and kept in metrics.jsonl"
_RESUMES = "a run always resumes from its newest checkpoint"
_ENCODED = "rows are encoded once, before training, and packed"
_ONE_DEVICE = "training uses one device"
_OBJECTIVE = "the objective has no such term"
_KERNELS = "kernels are chosen by what the device has"
_STAGES = "the pipeline's stages do this"
_HUB = "nothing is sent to the Hub"
_NO_CODE = "a checkpoint's own code is never run"
_LOADED = "a checkpoint is loaded from its folder, in the type that training.dtype says"
_LORA = "the adapter is plain LoRA on linear layers"
_BITS = "bitsandbytes' defaults are used"
_ROTATION = "a gate is orthogonal by construction: the term has no gradient; the report has the measured error"

UNUSED: tuple[Row, ...] = (
    *unused("model", _NO_CODE, "trust_remote_code"),
    *unused("model", _LOADED, "device_map low_cpu_mem_usage use_safetensors revision cache_dir local_files_only"),
    *unused("model", _KERNELS, "attn_implementation use_flash_attention use_flash_attention_2 use_cache"),
    *unused("data", _ENCODED, "preprocessing_num_workers num_workers shuffle padding truncation"),
    *unused("data", "the newest file of train_data_dir that matches is in its row", "train_data_pattern"),
    *unused("qlora", "adapters are trained without biases", "bias lora_bias"),
    *unused("qlora", "a causal language model is what is trained", "task_type peft_type"),
    *unused(
        "qlora",
        _LORA,
        "auto_mapping peft_version base_model_name_or_path revision inference_mode exclude_modules fan_in_fan_out"
        " use_rslora modules_to_save init_lora_weights layers_to_transform layers_pattern rank_pattern alpha_pattern"
        " megatron_config megatron_core trainable_token_indices loftq_config eva_config corda_config lora_ga_config"
        " use_dora velora_config alora_invocation_tokens use_qalora qalora_group_size monteclora_config"
        " layer_replication runtime_config target_parameters use_bdlora arrow_config kasa_config ensure_weight_tying",
    ),
    *unused(
        "quantization",
        "bitsandbytes has no such setting for 8 bits",
        "bnb_8bit_compute_dtype bnb_8bit_use_double_quant bnb_8bit_quant_type",
    ),
    *unused(
        "quantization",
        _BITS,
        "llm_int8_threshold llm_int8_has_fp16_weight llm_int8_skip_modules llm_int8_enable_fp32_cpu_offload"
        " bnb_4bit_compute_dtype bnb_4bit_quant_type bnb_4bit_use_double_quant bnb_4bit_quant_storage",
    ),
    *unused("so8t", "gates start as the identity, so that B starts as A", "init_scale"),
    *unused("so8t", _ROTATION, "orthogonal_reg orthogonality_weight"),
    *unused("so8t", _KERNELS, "use_efficient_attention"),
    *unused("loss", _ROTATION, "so8t_orthogonality_weight"),
    *unused("pet", "the penalty is the mean of squares", "huber_delta reduction eps"),
    *unused("pet", "training.max_grad_norm clips all gradients together", "clip_gradient max_gradient_norm"),
    *unused("pet", _LOGGED, "log_every_n_steps save_stats"),
    *unused("training", _KEPT, "output_dir overwrite_output_dir logging_dir"),
    *unused(
        "training",
        _EVALUATOR,
        "per_device_eval_batch_size per_gpu_eval_batch_size eval_accumulation_steps eval_delay eval_on_start"
        " eval_do_concat_batches eval_use_gather_object prediction_loss_only include_for_metrics batch_eval_metrics"
        " include_inputs_for_metrics fp16_full_eval bf16_full_eval"
        " save_logits save_logits_steps save_logits_dir save_logits_max_files",
    ),
    *unused(
        "training",
        _LOGGED,
        "logging_steps logging_strategy logging_first_step log_on_each_node logging_nan_inf_filter log_level"
        " log_level_replica disable_tqdm include_num_input_tokens_seen include_tokens_per_second save_metrics"
        " save_metrics_steps run_name project trackio_space_id trackio_bucket_id trackio_static_space_id",
    ),
    *unused(
        "training",
        _RESUMES,
        "resume_from_checkpoint ignore_data_skip restore_callback_states_from_checkpoint save_strategy save_only_model"
        " save_on_each_node save_safetensors enable_jit_checkpoint",
    ),
    *unused(
        "training",
        "the best step is the one with the least decision loss; training.early_stopping.metric",
        "metric_for_best_model greater_is_better",
    ),
    *unused(
        "training",
        _ENCODED,
        "dataloader_drop_last dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers"
        " dataloader_prefetch_factor dataloader_multiprocessing_context dataloader_in_order remove_unused_columns"
        " label_names group_by_length length_column_name train_sampling_strategy dispatch_batches split_batches",
    ),
    *unused("training", "training.seed decides the order, too", "data_seed full_determinism"),
    *unused("training", "AdamW is the optimizer", "optim_args optim_target_modules adafactor"),
    *unused("training", "the schedules have no parameters", "lr_scheduler_kwargs"),
    *unused("training", _OBJECTIVE, "label_smoothing_factor neftune_noise_alpha"),
    *unused(
        "training",
        _KERNELS,
        "tf32 torch_compile torch_compile_backend torch_compile_mode use_liger_kernel liger_kernel_config use_cache"
        " torch_empty_cache_steps jit_mode_eval use_ipex half_precision_backend fp16_backend fp16_opt_level"
        " gradient_checkpointing_kwargs activation_checkpointing_kwargs auto_find_batch_size torchdynamo",
    ),
    *unused(
        "training",
        _ONE_DEVICE,
        "local_rank ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend"
        " ddp_timeout fsdp fsdp_config fsdp_min_num_params fsdp_transformer_layer_cls_to_wrap deepspeed"
        " accelerator_config parallelism_config average_tokens_across_devices sharded_ddp xpu_backend tpu_num_cores"
        " tpu_metrics_debug use_mps_device mp_parameters past_index ray_scope",
    ),
    *unused("training", _STAGES, "do_train do_eval do_predict debug skip_memory_metrics"),
    *unused(
        "training",
        _HUB,
        "push_to_hub hub_token hub_private_repo hub_model_id hub_strategy hub_always_push hub_revision"
        " push_to_hub_model_id push_to_hub_organization push_to_hub_token",
    ),
)
