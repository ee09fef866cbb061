"""Settings of the Ray Serve application: strict, and enough CPUs counted for every replica to be placed."""

import pytest

from serving.config import ConfigError, ServingConfig, read_config


def test_reads_yaml_strictly(tmp_path):
    file = tmp_path / "serving.yaml"
    file.write_text("groups: 4\nreplicas: 2\ngpus_per_replica: 1\n")
    config = read_config(str(file))
    assert (config.groups, config.replicas, config.host) == (4, 2, "127.0.0.1")
    assert config.part_options()["ray_actor_options"]["num_gpus"] == 1
    file.write_text("replica: 2\n")
    with pytest.raises(ConfigError, match="replica is not a known setting"):
        read_config(str(file))
    file.write_text("replicas: two\n")
    with pytest.raises(ConfigError, match="replicas is 'two'; expected int"):
        read_config(str(file))
    assert read_config(None) == ServingConfig()


@pytest.mark.parametrize("wrong", [{"groups": 0}, {"replicas": 0}, {"replicas": 3, "max_replicas": 2}])
def test_refuses_what_cannot_be(wrong):
    with pytest.raises(ConfigError, match="must be at least"):
        ServingConfig(**wrong)


def test_scales_only_where_asked():
    assert ServingConfig(replicas=3).part_options()["num_replicas"] == 3
    scaling = ServingConfig(replicas=1, max_replicas=5).part_options()["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (1, 5)


def test_counts_cpus_for_every_replica():
    assert ServingConfig(groups=2, replicas=2, cpus_per_replica=0.5, cpus_per_front=0.1).needed_cpus() == 3


def test_names_of_the_host_are_a_list_of_texts(tmp_path):
    file = tmp_path / "serving.yaml"
    file.write_text("host_names: [models.example]\n")
    assert read_config(str(file)).host_names == ["models.example"]
    for wrong in ("models.example", "[1]"):
        file.write_text(f"host_names: {wrong}\n")
        with pytest.raises(ConfigError, match="host_names is"):
            read_config(str(file))
