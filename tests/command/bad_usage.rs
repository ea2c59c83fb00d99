//! Errors in the usage: a message, exit code 2, and no file that appears or changes.

use super::{Folder, stderr, text};

/// Runs each line, split at blanks, in the folder, and wants all the words in its message.
pub fn expect(folder: &Folder, cases: &[(&str, &[&str])]) {
    for (line, words) in cases {
        let message = folder.fail(&line.split(' ').collect::<Vec<_>>());
        for word in *words {
            assert!(message.contains(word), "{line}: `{word}` is not in: {message}");
        }
    }
}

#[test]
#[cfg(unix)]
fn arguments_that_are_not_utf8_are_named() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    folder.succeed(&["train", "iris", "--epochs", "1", "-q"]);
    let bad = std::ffi::OsStr::from_bytes(b"caf\xe9.csv");
    let cases: [(&[&str], &str); 5] = [
        (&["train"], "DATA: \"caf\\xE9.csv\" is not UTF-8; rename it"),
        (&["inspect"], "DATA: \"caf\\xE9.csv\" is not UTF-8; rename it"),
        (&["evaluate", "iris.safetensors"], "DATA: \"caf\\xE9.csv\" is not UTF-8; rename it"),
        (&["train", "iris", "--hidden"], "`--hidden`: \"caf\\xE9.csv\" is not UTF-8"),
        (&["train", "iris", "--device"], "`--device`: \"caf\\xE9.csv\" is not UTF-8"),
    ];
    let message = |command: &mut std::process::Command| {
        let output = command.output().expect("the command starts");
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    for (arguments, wanted) in cases {
        let message = message(folder.command(arguments).arg(bad));
        assert!(message.starts_with(&format!("error: {wanted}")), "{arguments:?}: {message}");
    }
    let message = message(folder.command(&["train", "iris"]).env("WGRAD_DEVICE", bad));
    assert!(message.starts_with("error: WGRAD_DEVICE: \"caf\\xE9.csv\" is not UTF-8"), "{message}");
    // Paths that are written to, and those of models, may have any name.
    let status = folder.command(&["train", "iris", "--epochs", "1", "--out"]).arg(bad).status();
    assert!(status.expect("the command starts").success() && folder.path().join(bad).exists());
}

#[test]
fn unknown_names_suggest_the_nearest() {
    let cases: &[(&str, &[&str])] = &[
        ("train digts", &["unknown data set `digts`", "did you mean `digits`", "the path of a table"]),
        ("train iris --hidden rulu", &["unknown layer `rulu`", "did you mean `relu`"]),
        ("train iris --loss softmax_crossentropy", &["--loss", "did you mean `softmax_cross_entropy`"]),
        ("train iris --optimizer adm", &["--optimizer", "did you mean `adam`"]),
        ("train iris --device cpus", &["unknown device `cpus`", "did you mean `cpu`"]),
        ("train iris --device nonsense", &["unknown device `nonsense`", "auto, cpu, gpu, reference"]),
        ("plan iris --device nonsense", &["--device", "unknown device `nonsense`", "auto, cpu, gpu, reference"]),
        ("train iris --epoch 3", &["--epoch", "--epochs"]),
        ("train iris --schedule cosin", &["--schedule", "cosine"]),
        ("trian iris", &["trian", "train"]),
        ("plan digts", &["did you mean `digits`"]),
        ("plan iris --autotune tiles.json", &["`--autotune`", "no device is named", "add `--device NAME`"]),
        ("train iris --optimizer sgd_momentun", &["did you mean `sgd_momentum`", "known: adamw, adam, nadam, radam, "]),
        ("train iris --hidden dense(8,int=zeros)", &["unknown option `int`", "did you mean `init`"]),
        ("train iris --hidden dense(8,init=xavier_unifrm)", &["did you mean `xavier_uniform`"]),
        ("train iris --hidden dropuot(0.2)", &["unknown layer `dropuot`", "did you mean `dropout`"]),
        ("train iris --loss cross-entropy", &["did you mean `cross_entropy`"]),
        ("train iris --loss softmax", &["did you mean `softmax_cross_entropy`"]),
        ("train iris --hiden 8", &["a similar argument exists: '--hidden'"]),
        ("predcit m.safetensors iris", &["a similar subcommand exists: 'predict'"]),
        ("completions bahs", &["a similar value exists: 'bash'"]),
        ("completions", &["<SHELL>"]),
        ("train missing.csv", &["missing.csv: reading failed"]),
        ("verify --device cpus", &["unknown device `cpus`", "did you mean `cpu`"]),
        ("verify --hidden rulu", &["unknown layer `rulu`"]),
        ("verify --model missing.safetensors", &["missing.safetensors: reading failed"]),
        ("bench --device cpus", &["unknown device `cpus`", "did you mean `cpu`"]),
        ("bench --suite --only mnits", &["unknown network `mnits`", "did you mean `mnist`"]),
        ("evaluate missing.safetensors iris", &["missing.safetensors: reading failed"]),
    ];
    expect(&Folder::new(), cases);
}

#[test]
fn values_out_of_range_are_named() {
    let cases: &[(&str, &[&str])] = &[
        ("train iris --hidden 0", &["layer `0`", "number of outputs is 0", "at least 1"]),
        ("train iris --hidden -3", &["layer `-3`"]),
        ("train iris --hidden 99999999999", &["number of parameters", "narrower"]),
        ("train iris --hidden dropout(1.5)", &["rate is 1.5", "below 1"]),
        ("train iris --hidden dropout(0.5", &["parentheses"]),
        (
            "train iris --hidden softmax",
            &["softmax_cross_entropy applies the softmax itself", "leave the softmax layer out"],
        ),
        ("train iris --batch 0", &["--batch", "at least 1"]),
        ("train iris --batch -4", &["--batch", "-4"]),
        ("train iris --accumulate 0", &["--accumulate", "at least 1"]),
        ("train iris --accumulate 2000", &["accumulate is 2000", "at most 1024"]),
        ("train iris --epochs 0", &["--epochs", "at least 1"]),
        ("train iris --threads 0", &["--threads", "at least 1"]),
        ("train iris --device reference --threads 2", &["one thread", "--device cpu"]),
        ("train iris --patience 0", &["--patience", "at least 1"]),
        ("train iris --plateau -1", &["--plateau", "patience is `-1`", "a whole number of epochs"]),
        ("train iris --time-limit 0s", &["--time-limit", "a time from 1ms to 1e9s, such as 30s, 5m or 2h"]),
        (
            "train iris --seed x",
            &["invalid value 'x' for '--seed <N>'", "a whole number from 0 to 18446744073709551615"],
        ),
        ("train iris --seed -1", &["'-1'", "a whole number from 0 to 18446744073709551615"]),
        ("train iris --learning-rate fast", &["'fast'", "a number, such as 0.01"]),
        ("train iris --weight-decay -1", &["optimizer adamw", "weight_decay is -1", "at least 0"]),
        ("train iris --momentum 0.9", &["`--momentum`: adamw has no momentum", "use `--optimizer sgd`"]),
        ("train iris --optimizer sgd --momentum 1", &["momentum is 1", "below 1"]),
        ("train iris --clip-norm 0", &["clip_norm is 0", "above 0"]),
        ("train iris --warmup 1.5", &["'1.5'", "a whole number, or a fraction below 1"]),
        ("train iris --warmup 1000 --epochs 2", &["the warm-up has 1000 steps, but training has 14 in all"]),
        ("train iris --validation 1.5", &["'1.5'", "a fraction below 1, a number of rows, 0 for none, or the path"]),
        ("train iris --validation 0.9 --test 0.2", &["135 rows to validate and 30 to test leave none of 150"]),
        ("train iris --test 150", &["150 to test leave none of 150 to train on", "make them smaller"]),
        ("train iris --validation 0 --patience 3", &["no validation set", "add `--validation`"]),
        ("train iris --test missing.csv", &["'missing.csv'", "or the path of a table; there is no such file"]),
        ("train iris --validation 0,2", &["'0,2'", "a fraction below 1"]),
        ("train iris --validation 20%", &["'20%'", "a fraction below 1"]),
        ("train iris --learning-rate -1", &["learning_rate is -1", "above 0"]),
        ("train iris --learning-rate 0", &["learning_rate is 0", "above 0"]),
        ("train iris --learning-rate 1e-50", &["learning_rate is 0.0", "above 0"]),
        ("train iris --learning-rate NaN", &["learning_rate is NaN"]),
        ("train iris --loss mse", &["the target has 3 classes", "use softmax_cross_entropy"]),
        ("train xor --loss softmax_cross_entropy", &["needs a class for each row"]),
        ("train xor --patience 3", &["no validation set beside 4 training rows"]),
        ("train xor --metric f_beta", &["`--metric`", "no validation set beside 4 training rows"]),
        ("train iris --metric mae", &["metric `mae`", "it needs numbers"]),
        ("train iris --metric roc_acu", &["unknown metric `roc_acu`, did you mean `roc_auc`?"]),
        ("train iris --target species", &["--target"]),
        ("train iris --drop species", &["`--drop`", "its own target", "leave `--drop` out"]),
        ("train iris --delimiter tab", &["`--delimiter`", "a table's text", "leave `--delimiter` out"]),
        ("verify --batch 8", &["none is given", "--hidden"]),
        ("verify --inputs 8", &["--hidden"]),
        ("verify --hidden 8 --model m.safetensors", &["--model", "--hidden"]),
        ("verify --hidden 8 --batch 0", &["--batch", "at least 1"]),
        ("verify --hidden 8 --device reference --threads 2", &["one thread"]),
        ("verify --hidden 8 --learning-rate 1e30 --device cpu", &["not finite", "lower learning rate"]),
        ("bench --optimizer sgd", &["none is given", "--hidden"]),
        ("bench --seconds 0", &["--seconds", "0.01"]),
        ("bench --steps 0", &["--steps", "at least 1"]),
        ("bench --steps 2 --seconds 1", &["--steps", "--seconds"]),
        ("bench --suite --steps 2", &["--suite", "--steps"]),
        ("bench --suite --hidden 8", &["--suite", "--hidden"]),
        ("bench --suite --init zeros", &["--suite", "--init"]),
        ("verify --model m.safetensors --init zeros", &["--model", "--init"]),
        ("bench --suite --device cpu --device reference", &["one device", "one `--device`"]),
        ("bench --tiles", &["--suite"]),
        ("bench --only moons", &["--suite"]),
        ("bench --peak-gflops 10", &["add `--suite`"]),
        ("bench --suite --peak-gflops 0", &["from 0.001 to 1000000000"]),
        ("plan --inputs 3", &["--outputs"]),
        ("plan --inputs 0 --outputs 1", &["at least 1"]),
        ("plan", &["DATA"]),
    ];
    expect(&Folder::new(), cases);
}

#[test]
fn tables_with_faults_name_line_and_column() {
    let folder = Folder::new();
    let rows = "1,2,a\n3,4,b\n".repeat(12);
    folder.write("nan.csv", format!("x,y,class\n{rows}NaN,1,a\n"));
    folder.write("text.csv", format!("x,y,class\n{rows}1,two,a\n"));
    folder.write("ragged.csv", format!("x,y,class\n{rows}1,a\n"));
    folder.write("empty.csv", "");
    folder.write("comma.csv", "x;y\n1;5\n2,500;1\n");
    folder.write("header.csv", "x,y,class\n");
    folder.write("one.csv", "x\n1\n");
    folder.write("single.csv", format!("x,class\n{}", "1,a\n2,a\n".repeat(12)));
    folder.write("whole.csv", "x,class\n1,1\n2,1\n3,1\n");
    // A row of the test set: the target of training rows would be scaled.
    let far = |row: usize| if row == 2 { "1e25" } else { ["0.1", "0.5"][row % 2] };
    folder.write("huge.csv", (0..40).fold("x,y\n".to_string(), |text, row| format!("{text}{row},{}\n", far(row))));
    folder.write("bytes.csv", b"x,y,class\n1,\xff\x00,a\n");
    let cases: &[(&str, &[&str])] = &[
        ("train nan.csv --missing error", &["nan.csv", "missing cells: `x` (1)", "`--missing drop`"]),
        ("train ragged.csv", &["ragged.csv, line 26", "2 cells", "3"]),
        ("train empty.csv", &["empty.csv", "empty"]),
        ("train header.csv", &["header.csv", "0 rows"]),
        ("train one.csv", &["one.csv", "only column"]),
        ("train bytes.csv", &["bytes.csv", "line 2 is not valid UTF-8", "it is no text"]),
        ("train single.csv", &["data set `single`", "one class, `a`", "nothing to learn", "another target column"]),
        ("train single.csv --loss bce", &["one class, `a`", "add rows of another class"]),
        ("train whole.csv", &["one class, `1`"]),
        ("train huge.csv", &["(from 0), column `y`", "1e25", "its square overflows", "correct the value"]),
        ("train nan.csv --target clas", &["unknown column `clas`", "did you mean `class`"]),
        ("train text.csv --drop y,clas", &["unknown column `clas`", "did you mean `class`"]),
        ("train text.csv --drop class", &["column `class`", "is the target", "another target"]),
        ("train text.csv --drop x --drop y", &["text.csv", "0 inputs are left of 3 columns"]),
        ("train text.csv --delimiter x", &["text.csv", "the delimiter is `x`", "other than a letter"]),
        ("train text.csv --delimiter ;;", &["--delimiter", "one ASCII character"]),
        ("train text.csv --delimiter ;", &["its only column is `x,y,class`", "separate columns by a semicolon"]),
        (
            "train comma.csv",
            &["comma.csv, line 3, column `x`", "`2,500` is 2500 if", "a point, and 2.5 if it is a comma"],
        ),
    ];
    expect(&folder, cases);
}

/// The same file is refused in the same words, whoever reads it; inspection refuses what is no table.
#[test]
fn files_that_are_no_tables_are_refused_by_all() {
    let folder = Folder::new();
    folder.succeed(&["train", "xor", "--epochs", "1"]);
    let packed = super::packed("a,b,y\n1,2,0.5\n3,4,1.5\n");
    let mut damaged = packed.clone();
    damaged[packed.len() / 2] ^= 0x40;
    folder.write("cut.csv.gz", &packed[..packed.len() - 5]);
    folder.write("damaged.csv.gz", damaged);
    folder.write("long.csv.gz", [&packed[..], b"and more, of no use"].concat());
    folder.write("ragged.csv", "\u{feff}a,b,y\r\n\r\n1,\"2\",0.5\r\n3,4\r\n");
    folder.write("lines.csv", "a,b,y\n1,2,\"of,\ntwo lines\"\n3,4\n");
    folder.write("empty.csv", "\u{feff}\r\n");
    folder.write("header.csv", "a,b,y\n");
    folder.write("bytes.csv", b"a,b,y\n1,\xff\xfe\x01,3\n");
    folder.write("book.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more");
    folder.write("w.arff", "@RELATION w\n@attribute a numeric\n@data\n1\n");
    for command in ["train", "inspect", "evaluate xor.safetensors", "predict xor.safetensors"] {
        for (file, words) in [
            ("cut.csv.gz", &["its gzip data are truncated", "download it again"][..]),
            ("damaged.csv.gz", &["its gzip data are damaged"]),
            ("long.csv.gz", &["its gzip data are damaged", "header"]),
            ("ragged.csv", &["line 4: the row has 2 cells, but the header has 3"]),
            ("lines.csv", &["line 4: the row has 2 cells, but the header has 3"]),
            ("empty.csv", &["empty.csv"]),
            ("header.csv", &["0 rows"]),
            ("bytes.csv", &["line 2 is not valid UTF-8"]),
            ("book.xls", &["it is an Excel workbook (.xls)", "save the sheet as CSV"]),
            ("w.arff", &["it is an ARFF file"]),
        ] {
            expect(&folder, &[(&format!("{command} {file}"), &[&[file][..], words].concat())]);
        }
    }
}

#[test]
fn a_gzipped_table_cut_or_changed_anywhere_is_an_error_or_the_same() {
    let folder = Folder::new();
    let packed = super::packed("a,b,y\n1,2,0.5\n3,4,1.5\n");
    folder.write("t.csv.gz", &packed);
    let whole = folder.succeed(&["inspect", "t.csv.gz"]);
    for length in 0..packed.len() {
        folder.write("t.csv.gz", &packed[..length]);
        assert!(folder.fail(&["inspect", "t.csv.gz"]).contains("t.csv.gz: "), "{length} bytes");
    }
    let mut refused = 0;
    for at in 0..packed.len() {
        let mut damaged = packed.clone();
        damaged[at] ^= 0x55;
        folder.write("t.csv.gz", damaged);
        let output = folder.run(&["inspect", "t.csv.gz"]);
        match output.status.code() {
            Some(0) => assert_eq!(text(&output.stdout), whole, "byte {at}"),
            code => {
                assert_eq!(code, Some(2), "byte {at}: {}", stderr(&output));
                refused += 1;
            }
        }
    }
    assert!(
        refused > packed.len() - 8,
        "time, system and extra flags are of no account: {refused} of {}",
        packed.len()
    );
}

#[test]
fn a_model_that_does_not_fit_the_data_is_an_error() {
    let folder = Folder::new();
    folder.succeed(&["train", "iris", "--epochs", "1"]);
    let header = "sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm,species\n";
    folder.write("class.csv", format!("{header}5,3,1,0,setosa\n5,3,1,0,virginca\n"));
    folder.write("words.csv", format!("{header}5,wide,1,0,setosa\n5,narrow,1,0,setosa\n5,3,1,0,setosa\n"));
    folder.write("near.csv", "sepal_length_cm,sepal_width_cm,petal_length,petal_width_cm\n5,3,1,0\n");
    folder.write("none.csv", header);
    folder.write("empty.csv", "");
    let cases: &[(&str, &[&str])] = &[
        ("evaluate iris.safetensors iris --target species", &["`--target`", "its own target", "leave `--target` out"]),
        ("evaluate iris.safetensors digits", &["pixel_0_0", "sepal_length_cm"]),
        ("predict iris.safetensors moons", &["x, y", "sepal_length_cm"]),
        ("evaluate iris.safetensors class.csv", &["line 3, column `species`", "did you mean `virginica`"]),
        ("evaluate iris.safetensors near.csv", &["is missing: `petal_length_cm`", "did you mean `petal_length`"]),
        ("predict iris.safetensors near.csv", &["near.csv", "did you mean `petal_length`"]),
        (
            "predict iris.safetensors words.csv",
            &["column `sepal_width_cm`: ", " cells are not numbers, the first `wide` in line 2"],
        ),
        ("predict iris.safetensors none.csv", &["0 rows"]),
        ("predict iris.safetensors empty.csv", &["empty.csv"]),
        ("predict iris.safetensors iris --out iris.safetensors", &["would replace"]),
        ("predict iris.safetensors iris --out no/where.csv", &["no/where.csv"]),
    ];
    expect(&folder, cases);
    folder
        .write("inputs.csv", "species,sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm\nsetosa,5,3,1,0\n");
    folder.succeed(&["evaluate", "iris.safetensors", "inputs.csv"]);
    let input = ["evaluate", "iris.safetensors", "inputs.csv", "--target", "petal_width_cm"];
    assert!(folder.fail(&input).contains("which is an input of the model"));
}

#[test]
fn a_loss_that_is_not_finite_is_an_error_and_names_the_row() {
    let folder = Folder::new();
    // With relu: tanh makes a number of any input. The inputs of a built-in data set have no limit.
    folder.succeed(&["train", "sine", "--epochs", "1", "--hidden", "64 relu 64 relu", "--out", "house.safetensors"]);
    folder.write("target.csv", "x,y\n0.5,0.25\n0.6,1e25\n");
    folder.write("input.csv", "x,y\n3e38,0.25\n");
    let cases: &[(&str, &[&str])] = &[
        (
            "evaluate house.safetensors target.csv --json",
            &["data set `target.csv`, row 1 of 2", "the loss is inf", "far outside"],
        ),
        ("predict house.safetensors input.csv", &["predictions, row 0", "not a finite number", "far outside"]),
        ("evaluate house.safetensors input.csv", &["data set `input.csv`, row 0 of 1", "not a finite number"]),
    ];
    expect(&folder, cases);
}

#[test]
fn damaged_model_files_are_refused() {
    let folder = Folder::new();
    folder.succeed(&["train", "iris", "--epochs", "1"]);
    let whole = folder.read("iris.safetensors");
    let header = u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    for length in [0, 1, 7, 8, 9, header, header + 8, whole.len() - 1] {
        folder.write("cut.safetensors", &whole[..length]);
        let message = folder.fail(&["predict", "cut.safetensors", "iris"]);
        assert!(message.contains("cut.safetensors") && message.contains("damaged"), "{length}: {message}");
    }
    for length in [0, 1, header as u64 - 1, header as u64 + 1, whole.len() as u64, u64::MAX] {
        let mut lying = whole.clone();
        lying[..8].copy_from_slice(&length.to_le_bytes());
        folder.write("lying.safetensors", lying);
        assert!(folder.fail(&["evaluate", "lying.safetensors", "iris"]).contains("lying.safetensors"));
    }
    folder.write("text.safetensors", "not a model");
    assert!(folder.fail(&["predict", "text.safetensors", "iris"]).contains("it is text, such as a table, not a model"));
}

#[test]
fn the_model_s_path_is_checked_before_training() {
    let folder = Folder::new();
    folder.write("table.csv", format!("x,class\n{}", "1,a\n2,b\n".repeat(20)));
    // Training for so long would take hours.
    let long = ["train", "table.csv", "--epochs", "1000000000", "--json", "--out"];
    let nowhere = folder.path().join("nowhere").join("m.safetensors");
    let cases = [(nowhere.to_str().expect("UTF-8"), "nowhere"), (".", "not a file"), ("table.csv", "would replace")];
    for (out, word) in cases {
        let message = folder.fail(&[&long[..], &[out]].concat());
        assert!(message.contains(word), "{out}: {message}");
    }
}

#[test]
fn a_network_that_diverges_names_op_and_layer_and_keeps_the_old_file() {
    let folder = Folder::new();
    folder.write("old.safetensors", "old");
    let output = folder.run(&["train", "digits", "--learning-rate", "1e30", "--epochs", "3"]);
    assert_eq!(output.status.code(), Some(2));
    let message = folder.fail(&[
        "train",
        "digits",
        "--learning-rate",
        "1e30",
        "--epochs",
        "3",
        "--out",
        "old.safetensors",
        "--force",
    ]);
    assert_eq!(message, stderr(&output), "the same seed fails at the same place");
    for word in ["step 1: ", "dense_forward", "layer ", "row ", "lower the learning rate"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(folder.files(), ["old.safetensors"]);
}
