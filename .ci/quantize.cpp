/* llama.cpp's quantizer behind the arguments of its tool: [--imatrix FILE] IN OUT FILE_TYPE.
 *
 * The tool itself takes twice as long to build, for parts that are not needed here. An importance matrix is read, and
 * the keys that name it are set, as in llama.cpp's tools/quantize/quantize.cpp.
 */
#include <map>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>
#include "ggml.h"
#include "gguf.h"
#include "llama.h"

static std::vector<llama_model_kv_override> keys;

static llama_model_kv_override * key(const char * name) {
    keys.emplace_back();
    std::snprintf(keys.back().key, sizeof keys.back().key, "quantize.imatrix.%s", name);
    return &keys.back();
}

static void text(const char * name, const std::string & value) {
    llama_model_kv_override * o = key(name);
    o->tag = LLAMA_KV_OVERRIDE_TYPE_STR;
    std::strncpy(o->val_str, value.c_str(), 127);
    o->val_str[127] = 0;
}

static void number(const char * name, int64_t value) {
    llama_model_kv_override * o = key(name);
    o->tag = LLAMA_KV_OVERRIDE_TYPE_INT;
    o->val_i64 = value;
}

int main(int argc, char ** argv) {
    llama_model_quantize_params params = llama_model_quantize_default_params();
    std::map<std::string, std::vector<float>> values;
    std::vector<llama_model_imatrix_data> entries;
    const bool is_guided = argc == 6 && !std::strcmp(argv[1], "--imatrix");
    const char * matrix = is_guided ? argv[2] : nullptr;
    if (is_guided) argv += 2;
    else if (argc != 4) return 2;
    params.ftype = (llama_ftype) atoi(argv[3]);
    if (is_guided) {
        ggml_context * data = nullptr;
        gguf_context * file = gguf_init_from_file(matrix, {false, &data});
        if (!file) return 3;
        for (ggml_tensor * sums = ggml_get_first_tensor(data); sums; sums = ggml_get_next_tensor(data, sums)) {
            std::string name = sums->name, ending = ".in_sum2";
            if (name.size() < ending.size() || name.compare(name.size() - ending.size(), ending.size(), ending)) continue;
            name.resize(name.size() - ending.size());
            const float count = (float) std::lround(*(const float *) ggml_get_tensor(data, (name + ".counts").c_str())->data);
            for (int64_t i = 0; i < ggml_nelements(sums); i++)
                values[name].push_back(count > 0 ? ((const float *) sums->data)[i] / count : 1);
        }
        for (auto & entry : values) entries.push_back({entry.first.c_str(), entry.second.data(), entry.second.size()});
        entries.push_back({nullptr, nullptr, 0});
        const int64_t datasets = gguf_find_key(file, "imatrix.datasets");
        const int64_t chunks = gguf_get_val_u32(file, gguf_find_key(file, "imatrix.chunk_count"));
        text("file", matrix);
        if (gguf_get_arr_n(file, datasets)) text("dataset", gguf_get_arr_str(file, datasets, 0));
        number("entries_count", (int64_t) values.size());
        if (chunks > 0) number("chunks_count", chunks);
        keys.emplace_back();
        keys.back().key[0] = 0;
        params.imatrix = entries.data();
        params.kv_overrides = keys.data();
    }
    return (int) llama_model_quantize(argv[1], argv[2], &params);
}
