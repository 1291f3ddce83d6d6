"""The literature: every source that `describe()` names; those of the relatives of Adam are in `newer_sources`."""

from __future__ import annotations

from odeopt.optimizers.bibliography import PMLR, arxiv, source

BERNSTEIN = source(
    "Bernstein et al. 2018", "inproceedings", "bernstein2018signsgd",
    author="Bernstein, Jeremy and Wang, Yu-Xiang and Azizzadenesheli, Kamyar and Anandkumar, Animashree",
    title="{signSGD}: Compressed optimisation for non-convex problems",
    booktitle="Proceedings of the 35th International Conference on Machine Learning",
    series=PMLR, volume="80", pages="560--569", year="2018", **arxiv("1802.04434"),
)  # fmt: skip
BOTTOU = source(
    "Bottou 2012", "incollection", "bottou2012tricks",
    author="Bottou, L{\\'e}on",
    title="Stochastic gradient descent tricks",
    booktitle="Neural Networks: Tricks of the Trade",
    edition="2", publisher="Springer", pages="421--436", year="2012",
)  # fmt: skip
CAUCHY = source(
    "Cauchy 1847", "article", "cauchy1847methode",
    author="Cauchy, Augustin-Louis",
    title="M{\\'e}thode g{\\'e}n{\\'e}rale pour la r{\\'e}solution des syst{\\`e}mes d'{\\'e}quations simultan{\\'e}es",
    journal="Comptes rendus hebdomadaires des s{\\'e}ances de l'Acad{\\'e}mie des sciences",
    volume="25", pages="536--538", year="1847",
)  # fmt: skip
CHEN = source(
    "Chen et al. 2023", "inproceedings", "chen2023lion",
    author="Chen, Xiangning and Liang, Chen and Huang, Da and Real, Esteban and Wang, Kaiyuan and Pham, Hieu and "
    "Dong, Xuanyi and Luong, Thang and Hsieh, Cho-Jui and Lu, Yifeng and Le, Quoc V.",
    title="Symbolic discovery of optimization algorithms",
    booktitle="Advances in Neural Information Processing Systems",
    volume="36", pages="49205--49233", year="2023", **arxiv("2302.06675"),
)  # fmt: skip
CORTES = source(
    "Cortes 2006", "article", "cortes2006finite",
    author="Cort{\\'e}s, Jorge",
    title="Finite-time convergent gradient flows with applications to network consensus",
    journal="Automatica", volume="42", number="11", pages="1993--2000", year="2006",
)  # fmt: skip
DOZAT = source(
    "Dozat 2016", "inproceedings", "dozat2016nadam",
    author="Dozat, Timothy",
    title="Incorporating {Nesterov} momentum into {Adam}",
    booktitle="International Conference on Learning Representations, Workshop Track", year="2016",
)  # fmt: skip
DUCHI = source(
    "Duchi, Hazan and Singer 2011", "article", "duchi2011adagrad",
    author="Duchi, John and Hazan, Elad and Singer, Yoram",
    title="Adaptive subgradient methods for online learning and stochastic optimization",
    journal="Journal of Machine Learning Research", volume="12", pages="2121--2159", year="2011",
)  # fmt: skip
EULER = source(
    "Euler 1768", "book", "euler1768institutionum",
    author="Euler, Leonhard",
    title="Institutionum calculi integralis volumen primum",
    address="St. Petersburg", year="1768",
)  # fmt: skip
GRAVES = source(
    "Graves 2013", "misc", "graves2013generating",
    author="Graves, Alex",
    title="Generating sequences with recurrent neural networks", year="2013", **arxiv("1308.0850"),
)  # fmt: skip
GUPTA = source(
    "Gupta, Koren and Singer 2018", "inproceedings", "gupta2018shampoo",
    author="Gupta, Vineet and Koren, Tomer and Singer, Yoram",
    title="Shampoo: Preconditioned stochastic tensor optimization",
    booktitle="Proceedings of the 35th International Conference on Machine Learning",
    series=PMLR, volume="80", pages="1842--1850", year="2018", **arxiv("1802.09568"),
)  # fmt: skip
JORDAN = source(
    "Jordan 2024", "misc", "jordan2024muon",
    author="Jordan, Keller and Jin, Yuchen and Boza, Vlado and You, Jiacheng and Cesista, Franz and Newhouse, Laker "
    "and Bernstein, Jeremy",
    title="Muon: An optimizer for hidden layers in neural networks",
    url="https://kellerjordan.github.io/posts/muon/", year="2024",
)  # fmt: skip
KINGMA = source(
    "Kingma and Ba 2015", "inproceedings", "kingma2015adam",
    author="Kingma, Diederik P. and Ba, Jimmy",
    title="Adam: A method for stochastic optimization",
    booktitle="International Conference on Learning Representations", year="2015", **arxiv("1412.6980"),
)  # fmt: skip
LIU_MUON = source(
    "Liu et al. 2025", "misc", "liu2025muon",
    author="Liu, Jingyuan and Su, Jianlin and others",
    title="Muon is scalable for {LLM} training", year="2025", **arxiv("2502.16982"),
)  # fmt: skip
LIU_RADAM = source(
    "Liu et al. 2020", "inproceedings", "liu2020radam",
    author="Liu, Liyuan and Jiang, Haoming and He, Pengcheng and Chen, Weizhu and Liu, Xiaodong and Gao, Jianfeng and "
    "Han, Jiawei",
    title="On the variance of the adaptive learning rate and beyond",
    booktitle="International Conference on Learning Representations", year="2020", **arxiv("1908.03265"),
)  # fmt: skip
LOSHCHILOV = source(
    "Loshchilov and Hutter 2019", "inproceedings", "loshchilov2019adamw",
    author="Loshchilov, Ilya and Hutter, Frank",
    title="Decoupled weight decay regularization",
    booktitle="International Conference on Learning Representations", year="2019", **arxiv("1711.05101"),
)  # fmt: skip
NESTEROV = source(
    "Nesterov 1983", "article", "nesterov1983method",
    author="Nesterov, Yurii",
    title="A method for solving the convex programming problem with convergence rate {$O(1/k^2)$}",
    journal="Doklady Akademii Nauk SSSR", volume="269", number="3", pages="543--547", year="1983",
)  # fmt: skip
POLYAK = source(
    "Polyak 1964", "article", "polyak1964methods",
    author="Polyak, Boris T.",
    title="Some methods of speeding up the convergence of iteration methods",
    journal="USSR Computational Mathematics and Mathematical Physics",
    volume="4", number="5", pages="1--17", year="1964",
)  # fmt: skip
POLYAK_JUDITSKY = source(
    "Polyak and Juditsky 1992", "article", "polyak1992averaging",
    author="Polyak, Boris T. and Juditsky, Anatoli B.",
    title="Acceleration of stochastic approximation by averaging",
    journal="SIAM Journal on Control and Optimization",
    volume="30", number="4", pages="838--855", year="1992", doi="10.1137/0330046",
)  # fmt: skip
REDDI = source(
    "Reddi, Kale and Kumar 2018", "inproceedings", "reddi2018amsgrad",
    author="Reddi, Sashank J. and Kale, Satyen and Kumar, Sanjiv",
    title="On the convergence of {Adam} and beyond",
    booktitle="International Conference on Learning Representations", year="2018",
    url="https://openreview.net/forum?id=ryQu7f-RZ",
)  # fmt: skip
RIEDMILLER = source(
    "Riedmiller and Braun 1993", "inproceedings", "riedmiller1993rprop",
    author="Riedmiller, Martin and Braun, Heinrich",
    title="A direct adaptive method for faster backpropagation learning: The {RPROP} algorithm",
    booktitle="IEEE International Conference on Neural Networks",
    pages="586--591", year="1993", doi="10.1109/ICNN.1993.298623",
)  # fmt: skip
SHAZEER = source(
    "Shazeer and Stern 2018", "inproceedings", "shazeer2018adafactor",
    author="Shazeer, Noam and Stern, Mitchell",
    title="Adafactor: Adaptive learning rates with sublinear memory cost",
    booktitle="Proceedings of the 35th International Conference on Machine Learning",
    series=PMLR, volume="80", year="2018", **arxiv("1804.04235"),
)  # fmt: skip
STRANG = source(
    "Strang 1968", "article", "strang1968schemes",
    author="Strang, Gilbert",
    title="On the construction and comparison of difference schemes",
    journal="SIAM Journal on Numerical Analysis",
    volume="5", number="3", pages="506--517", year="1968", doi="10.1137/0705041",
)  # fmt: skip
SUTSKEVER = source(
    "Sutskever et al. 2013", "inproceedings", "sutskever2013momentum",
    author="Sutskever, Ilya and Martens, James and Dahl, George and Hinton, Geoffrey",
    title="On the importance of initialization and momentum in deep learning",
    booktitle="Proceedings of the 30th International Conference on Machine Learning",
    series=PMLR, volume="28", pages="1139--1147", year="2013",
)  # fmt: skip
TIELEMAN = source(
    "Tieleman and Hinton 2012", "misc", "tieleman2012rmsprop",
    author="Tieleman, Tijmen and Hinton, Geoffrey",
    title="Lecture 6.5 -- {RMSProp}: Divide the gradient by a running average of its recent magnitude",
    howpublished="COURSERA: Neural Networks for Machine Learning", year="2012",
)  # fmt: skip
YOU_LAMB = source(
    "You et al. 2020", "inproceedings", "you2020lamb",
    author="You, Yang and Li, Jing and Reddi, Sashank and Hseu, Jonathan and Kumar, Sanjiv and Bhojanapalli, Srinadh "
    "and Song, Xiaodan and Demmel, James and Keutzer, Kurt and Hsieh, Cho-Jui",
    title="Large batch optimization for deep learning: Training {BERT} in 76 minutes",
    booktitle="International Conference on Learning Representations", year="2020", **arxiv("1904.00962"),
)  # fmt: skip
YOU_LARS = source(
    "You, Gitman and Ginsburg 2017", "misc", "you2017lars",
    author="You, Yang and Gitman, Igor and Ginsburg, Boris",
    title="Large batch training of convolutional networks", year="2017", **arxiv("1708.03888"),
)  # fmt: skip
ZEILER = source(
    "Zeiler 2012", "misc", "zeiler2012adadelta",
    author="Zeiler, Matthew D.",
    title="{ADADELTA}: An adaptive learning rate method", year="2012", **arxiv("1212.5701"),
)  # fmt: skip
ZHANG = source(
    "Zhang et al. 2019", "inproceedings", "zhang2019lookahead",
    author="Zhang, Michael R. and Lucas, James and Hinton, Geoffrey and Ba, Jimmy",
    title="Lookahead optimizer: k steps forward, 1 step back",
    booktitle="Advances in Neural Information Processing Systems", volume="32", year="2019", **arxiv("1907.08610"),
)  # fmt: skip
