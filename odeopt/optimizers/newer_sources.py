"""The literature of the newer relatives of Adam and of momentum."""

from __future__ import annotations

from odeopt.optimizers.bibliography import arxiv, source

DEFAZIO = source(
    "Defazio et al. 2024", "inproceedings", "defazio2024road",
    author="Defazio, Aaron and Yang, Xingyu Alice and Mehta, Harsh and Mishchenko, Konstantin and Khaled, Ahmed and "
    "Cutkosky, Ashok",
    title="The road less scheduled",
    booktitle="Advances in Neural Information Processing Systems", year="2024", **arxiv("2405.15682"),
)  # fmt: skip
MA_YARATS = source(
    "Ma and Yarats 2019", "inproceedings", "ma2019qhm",
    author="Ma, Jerry and Yarats, Denis",
    title="Quasi-hyperbolic momentum and {Adam} for deep learning",
    booktitle="International Conference on Learning Representations", year="2019", **arxiv("1810.06801"),
)  # fmt: skip
PAGLIARDINI = source(
    "Pagliardini, Ablin and Grangier 2024", "misc", "pagliardini2024ademamix",
    author="Pagliardini, Matteo and Ablin, Pierre and Grangier, David",
    title="The {AdEMAMix} optimizer: Better, faster, older", year="2024", **arxiv("2409.03137"),
)  # fmt: skip
TANIGUCHI = source(
    "Taniguchi et al. 2024", "inproceedings", "taniguchi2024adopt",
    author="Taniguchi, Shohei and Harada, Keno and Minegishi, Gouki and Oshima, Yuta and Jeong, Seong Cheol and "
    "Nagahara, Go and Iiyama, Tomoshi and Suzuki, Masahiro and Iwasawa, Yusuke and Matsuo, Yutaka",
    title="{ADOPT}: Modified {Adam} can converge with any {$\\\\beta_2$} with the optimal rate",
    booktitle="Advances in Neural Information Processing Systems", year="2024", **arxiv("2411.02853"),
)  # fmt: skip
XIE = source(
    "Xie et al. 2024", "article", "xie2024adan",
    author="Xie, Xingyu and Zhou, Pan and Li, Huan and Lin, Zhouchen and Yan, Shuicheng",
    title="Adan: Adaptive {Nesterov} momentum algorithm for faster optimizing deep models",
    journal="IEEE Transactions on Pattern Analysis and Machine Intelligence", year="2024", **arxiv("2208.06677"),
)  # fmt: skip
YUAN = source(
    "Yuan et al. 2024", "misc", "yuan2024mars",
    author="Yuan, Huizhuo and Liu, Yifeng and Wu, Shuang and Zhou, Xun and Gu, Quanquan",
    title="{MARS}: Unleashing the power of variance reduction for training large models",
    year="2024", **arxiv("2411.10438"),
)  # fmt: skip
ZHUANG = source(
    "Zhuang et al. 2020", "inproceedings", "zhuang2020adabelief",
    author="Zhuang, Juntang and Tang, Tommy and Ding, Yifan and Tatikonda, Sekhar and Dvornek, Nicha and "
    "Papademetris, Xenophon and Duncan, James S.",
    title="{AdaBelief} optimizer: Adapting stepsizes by the belief in observed gradients",
    booktitle="Advances in Neural Information Processing Systems", volume="33", year="2020", **arxiv("2010.07468"),
)  # fmt: skip
